/*
 * What the bus on Kafka is made of. Private to bus_kafka*.c.
 *
 *   kafka/bus.c           the extents table, the operations, trimming
 *   kafka/open.c      connecting, checking topics, closing
 *   kafka/producer.c  appends and their reports
 *   kafka/reader.c    slots, reading, waiting
 *   kafka/member.c    the consumer group: who is assigned what, advisory positions
 *   kafka/pulse.c     whether Kafka answers at all
 *   kafka/record.c    our packed headers and Kafka's
 *
 * Order of locks: a slot's `reading`, then its `watching`; the bus's `mutex`; each of both before a reader's `mutex`. The
 * member's `mutex` stands alone. librdkafka's callbacks take all of these but `reading` (queue_filled a slot's and a reader's,
 * rebalanced the member's, the bus's and readers', committed the member's). While one that they take is held librdkafka is
 * called only to add to a list and to look at watermarks it has already (lag_add): neither calls back nor waits.
 */
#ifndef TOCSIN_IO_KAFKA_BUS_INTERNAL_H
#define TOCSIN_IO_KAFKA_BUS_INTERNAL_H

#include "shared/io/kafka/bus.h"
#include "shared/io/kafka/conf.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	KAFKA_RECORD_MAX = BUS_RECORD_MAX + (64 << 10), /* a message: body, key and headers */
	KAFKA_WATCHERS_MAX = BUS_PARTITIONS_MAX,        /* readers of one partition in a process */
	KAFKA_READERS_MAX = 256,
	KAFKA_CALL_MS = 5000,  /* a blocking call to the cluster may take so long */
	KAFKA_FETCH_MS = 4000, /* records that are there must arrive within it */
	MEMBER_TURN_MS = 2000, /* how often positions are committed */
	KAFKA_LAST_MS = 500,   /* at the end, with no time left: the last commit, a handle's going, the last reports */
};

typedef struct BusKafka BusKafka;

typedef struct KafkaReader {
	BusReader reader;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool woken;
} KafkaReader;

/*
 * One partition as this process reads it: fetched from one offset on, for whoever reads it. A second reader at another
 * offset moves it to and fro, which is slow and right.
 */
typedef struct {
	_Atomic int64_t first, end; /* as far as is known; end only grows */
	pthread_mutex_t reading;
	bool assigned;              /* guarded by reading, like all until watching */
	int64_t at;                 /* offset of the next message the queue gives */
	rd_kafka_queue_t *queue;
	rd_kafka_message_t *pending; /* taken from the queue while waiting, not visited yet */
	rd_kafka_message_t *kept;    /* visited, and likely to be asked for again */
	int64_t used_us;             /* somebody read here or waited */
	pthread_mutex_t watching;
	KafkaReader *watchers[KAFKA_WATCHERS_MAX];
	size_t watcher_count;
} KafkaPartition;

typedef struct {
	pthread_rwlock_t swap; /* held for writing while a fatal handle is replaced */
	rd_kafka_t *handle, *former; /* former: a fatal one, seen off by former_thread */
	pthread_t thread, former_thread;
	bool started, former_ending;
	atomic_bool stop, fatal, down;
	_Atomic int64_t down_since_us, progress_us; /* progress: the last report, or the first append after none */
	_Atomic int64_t quiet_until_us; /* no line about a failed append before */
	atomic_int inflight;
} Producer;

/* How far the service has come in a partition, as commit said. */
typedef struct {
	int64_t at; /* -1: it did not say */
	bool due;   /* to be committed */
} Position;

typedef struct {
	pthread_rwlock_t swap; /* held for writing while a fenced handle is replaced */
	rd_kafka_t *handle;
	pthread_t thread;
	atomic_bool started; /* asked from other threads, too */
	atomic_bool stop;
	atomic_bool joined;        /* the handle is a member in good standing: only then may it commit */
	atomic_bool assigned_once;        /* the group has told it its share once, be it nothing */
	_Atomic uint64_t assigned; /* a bit a partition number */
	pthread_mutex_t mutex;     /* guards positions, a slot each */
	Position *positions;
	int64_t fatal_us; /* when it was last fenced, on the monotonic clock; 0: never */
	int pause_ms;     /* before it came back then */
} Member;

/* When Kafka last answered anything that is asked now and then, on the monotonic clock. */
typedef struct {
	pthread_t thread;
	bool started;
	atomic_bool stop;
	_Atomic int64_t answered_us;
} KafkaProbe;

struct BusKafka {
	Bus bus;
	BusKafkaOptions options; /* its texts are copies */
	char *texts[5];
	char cluster[64];
	KafkaPartition *slots; /* topic after topic, BUS_PARTITIONS_MAX each */
	rd_kafka_t *ledgers, *inputs;
	_Atomic int64_t until_us; /* when whatever waits gives up, on the monotonic clock; INT64_MAX: nobody is in a hurry */
	Producer producer;
	Member member;
	KafkaProbe pulse;
	pthread_mutex_t mutex; /* guards readers */
	KafkaReader *readers[KAFKA_READERS_MAX];
};

extern const BusOperations kafka_operations;

static inline BusKafka *bus_kafka(Bus *bus)
{
	return (BusKafka *)bus;
}

/* topic and partition must be of the table. */
KafkaPartition *kafka_partition_of(BusKafka *bus, unsigned topic, unsigned partition);
unsigned kafka_partitions(const BusKafka *bus, unsigned topic);
/* Never lowers it. */
void kafka_raise(_Atomic int64_t *value, int64_t to);
void partition_end_raise(KafkaPartition *slot, int64_t end);
void partition_first_raise(KafkaPartition *slot, int64_t first);

void kafka_set_deadline(Bus *bus, int64_t wait_ms);
void kafka_close(Bus *bus);

/* How long a call may wait: most_ms, or what is left where the bus is in a hurry; 0: no longer. */
int kafka_left_ms(const BusKafka *bus, int64_t most_ms);
/* The same for what comes last: at least KAFKA_LAST_MS. */
int kafka_last_ms(const BusKafka *bus, int64_t most_ms);

/*
 * Destroys a handle; one that does not end in KAFKA_CALL_MS, or what is left of time, is left behind, since librdkafka 2.0.2 has
 * ways to hang there.
 */
void kafka_handle_end(const BusKafka *bus, rd_kafka_t *handle);

/* A configuration of this bus. */
Result kafka_bus_conf(const BusKafka *bus, const KafkaSetting *settings, size_t count, rd_kafka_conf_t **out);

/* Asks where one partition, or (topic_count as topic) every one, begins and ends now. ERROR_AGAIN: it was not told. */
Result kafka_extents_ask(BusKafka *bus, unsigned topic, unsigned partition, int wait_ms);

Result producer_open(BusKafka *bus);
void producer_close(BusKafka *bus);
Result producer_append(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done, void *context);
Result producer_health(Bus *bus);
/* An append is under way; it is not any more. acknowledged_us: now, or 0 where it failed. Any thread. */
void producer_begins(Producer *producer, int64_t now_us);
void producer_ends(Producer *producer, int64_t acknowledged_us);
/* How long nothing was acknowledged although appends were under way: since the last report, or the first one after none. */
int64_t producer_silence_us(const Producer *producer, int64_t now_us);
/* Its handle, for calls of any client; given back with producer_handle_return. */
rd_kafka_t *producer_handle(BusKafka *bus);
void producer_handle_return(BusKafka *bus);

Result probe_open(BusKafka *bus);
void probe_close(BusKafka *bus);
/* Any thread. */
void probe_answered(KafkaProbe *pulse, int64_t now_us);
Result probe_health(const BusKafka *bus, int64_t now_us);

Result member_open(BusKafka *bus);
Result member_join(Bus *bus);
/* ERROR_AGAIN: it has joined, and the group has not answered yet. */
Result member_health(const BusKafka *bus);
void member_close(BusKafka *bus);
bool member_assigned(Bus *bus, unsigned partition);
Result member_commit(Bus *bus, const char *group, unsigned topic, unsigned partition, int64_t position);
int64_t member_committed(Bus *bus, const char *group, unsigned topic, unsigned partition);

Result kafka_reader_open(Bus *bus, BusReader **out);
void kafka_reader_close(BusReader *reader);
Result kafka_read(BusReader *reader, BusPosition place, size_t max, bool want_bodies, BusVisit visit, void *context, int64_t *next);
void kafka_fetch(BusReader *reader, const BusPosition *places, size_t count);
void kafka_wait(BusReader *reader, const BusPosition *places, size_t count, int wait_ms);
void kafka_wake(BusReader *reader);
void kafka_wake_all(BusKafka *bus);
/* The consumer that reads a topic. */
rd_kafka_t *kafka_consumer(const BusKafka *bus, unsigned topic);
void partition_release(KafkaPartition *slot);
/* Gives back what is fetched for partitions that nobody has asked for in a minute; called now and then. */
void partitions_release_idle(BusKafka *bus);

/* NULL where there are none. */
rd_kafka_headers_t *record_headers_make(Slice packed);
/* Packs into headers, which is cleared first; borrows the rest from the message. */
void record_of_message(const rd_kafka_message_t *message, Buffer *headers, BusRecord *out);

#endif
