/*
 * A model of one partition of one service: which instance may write the ledger, and which records of it are accepted. It models
 * shared/domain/ledger.c and shared/runtime/owner.c, and is small enough for an exhaustive search.
 *
 * The ledger itself is not stored. When a record reaches the ledger, two readers that never sleep judge it at once: `truth` (the
 * ledger's state) and `gate` (the gateway's view, which answers the client). The record is also put into the inbox of each instance
 * that is awake; the instance reads it at any later time. An instance that wakes starts with the state of `truth`. The model
 * needs no reading before that, because an instance that only follows the ledger affects no other process. Nor does it
 * distinguish a kept disk from a lost one, because a disk holds only a fold of accepted records.
 *
 *   inputs     one assessment (1) and COMMANDS commands (2, 3); a client waits for the effect of the first command
 *   group      assigns the partition to another instance MOVES times, without informing any instance; an instance to which the
 *              partition is not assigned claims it ROGUES times
 *   pauses     are interleavings: any enabled step may be delayed for any time
 *   wire       carries the records of one instance to the ledger: in order, at any later time, also after the instance has ended
 *   FAULTS     a record is lost; or is reported as failed and arrives later; or arrives twice, the second time at any later time
 *   CRASHES    an instance loses its memory and any number of the last records on its wire
 *
 * Invariants:
 *   no fork    an entry is accepted only after the entry on which its decision is based, an opening record only after the record
 *              that preceded its claim; input positions never go back. -DLAX omits these checks, so that only invariants that
 *              users can observe are checked
 *   one effect no input has two accepted effects
 *   answers    the client is answered only from an accepted entry
 *   outputs    an output is published only if its record was accepted
 *   at rest    at the end each input has an effect, the client its answer, and each accepted entry its output. With -DNP the
 *              search looks for cycles (no state is labelled as progress, so it finds every cycle): every run ends
 *
 * Seeded bugs, -DBUG=n; the search must find each of them:
 *    1  a new owner writes no claim: it reads the ledger to its end and writes in the next epoch
 *    2  a new owner does not apply the records between the end that it has read and its claim
 *    3  an owner commits its input positions to the group when it decides, and a new owner starts at these positions
 *    4  the gateway accepts the first effect of each input, instead of judging records by epoch and sequence
 *    5  the sequence within an epoch is not checked
 *    6  an owner keeps its decisions even if the ledger has not accepted them
 *    7  there are no epochs: the first record with the next sequence number is accepted
 *    8  the client is answered when the entry reaches the ledger, accepted or not
 *    9  two owners in the same epoch are not distinguished
 *   10  after a failed send the owner sends again within its epoch
 *   11  an output is published when its entry is decided
 *   12  a new owner publishes only the outputs of its own entries
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef INSTANCES
#define INSTANCES 2
#endif
#ifndef COMMANDS
#define COMMANDS 1
#endif
#ifndef MOVES
#define MOVES 1
#endif
#ifndef ROGUES
#define ROGUES 0
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif

#define BATCH 2
#define WIRE  4
#define INBOX 16

mtype = { CLAIM, OPENED, EFFECT };
mtype = { DROPPED, CLAIMED, ACCEPTED };

/* after: in an effect, the input of the last effect on which its decision is based; in an opening record, the last record before
 * the claim. derived: number of effects whose outputs were published */
typedef Record { mtype kind; byte epoch; byte owner; byte seq; byte input; byte after; byte assessed; byte commanded; byte derived };

/* The state of a reader of the ledger: the last accepted record, and the fold of all accepted records */
typedef View { byte epoch; byte owner; byte seq; byte before; byte last; byte assessed; byte commanded; byte derived; byte count };

chan wire[INSTANCES] = [WIRE] of { Record };
chan late = [1] of { Record };
chan inbox[INSTANCES] = [INBOX] of { Record };
byte term[INSTANCES];                     /* the epoch that an instance claims or owns; 0: the instance is asleep */
byte incarnation[INSTANCES];              /* number of crashes; gives each process of an instance a new owner id */
bit failed[INSTANCES];                    /* a send of this term was reported as failed */
#define OWNER(i) (1 + i + INSTANCES * incarnation[i])
#define OWN(i)   ((BUG == 9 || it.owner == OWNER(i)) && it.epoch == term[i])

View truth, gate;
byte order[4];                            /* inputs in the order in which their effects were accepted, from 1 */
bit effective[4], published[4], answered;
byte assigned, moves, rogues, crashes, faults;
byte group_assessed, group_commanded;     /* the input positions committed to the group; used only with BUG 3 */

hidden Record it;                         /* the record that the current step handles */
hidden mtype verdict;
hidden byte of_record, claimed;

/* ---- the rule */

#define NEW_TERM(v)  (it.kind == CLAIM && it.epoch > v.epoch)
#if BUG == 1
#define UNCLAIMED(v) (it.kind == EFFECT && it.epoch > v.epoch && it.seq == 1)
#else
#define UNCLAIMED(v) false
#endif
#define IN_TERM(v)   (BUG == 7 || (it.epoch == v.epoch && (BUG == 9 || it.owner == v.owner)))
#define NEXT(v)      (BUG == 5 || it.seq == v.seq + 1)

inline judge(v)
{
	if
	:: NEW_TERM(v) -> v.before = v.epoch * 16 + v.seq; v.epoch = it.epoch; v.owner = it.owner; v.seq = 0; verdict = CLAIMED
	:: it.kind != CLAIM && (UNCLAIMED(v) || (IN_TERM(v) && NEXT(v))) ->
		v.epoch = it.epoch; v.owner = it.owner; v.seq = it.seq; verdict = ACCEPTED
	:: else -> verdict = DROPPED
	fi
}

inline fold(v)
{
	v.assessed = it.assessed; v.commanded = it.commanded; v.derived = it.derived;
	if
	:: it.kind == EFFECT -> v.last = it.input; v.count++
	:: else
	fi
}

/* ---- a record reaches the ledger */

inline gate_checks()
{
#ifndef LAX
	assert(it.after == (it.kind == OPENED -> gate.before : gate.last));
	assert(it.assessed >= gate.assessed && it.commanded >= gate.commanded);
#endif
	if
	:: it.kind == EFFECT ->
		assert(!effective[it.input]);
		effective[it.input] = 1
	:: else
	fi
}

inline client_answered()
{
	if
	:: it.kind == EFFECT && it.input == 2 && !answered -> answered = 1; assert(of_record)
	:: else
	fi
}

inline gate_reads()
{
#if BUG == 4
	verdict = (it.kind == EFFECT && !effective[it.input] -> ACCEPTED : DROPPED);
#else
	judge(gate);
#endif
	if
	:: verdict == ACCEPTED -> gate_checks(); fold(gate); client_answered()
	:: else
	fi
}

/* Puts the record into the inbox of instance i if the instance is awake. A record that all readers drop goes only to its
 * writer, because it cannot affect any other instance. */
inline handed(i)
{
	if
	:: term[i] && (of_record || claimed || OWN(i)) -> assert(nfull(inbox[i])); inbox[i]!it
	:: else
	fi
}

inline appended()
{
	judge(truth);
	of_record = verdict == ACCEPTED;
	claimed = verdict == CLAIMED;
#if BUG == 8
	client_answered();
#endif
	gate_reads();
	if
	:: of_record ->
		fold(truth);
		if
		:: it.kind == EFFECT && truth.count < 4 -> order[truth.count] = it.input
		:: else
		fi
	:: else
	fi;
	handed(0); handed(1);
#if INSTANCES == 3
	handed(2);
#endif
	skip
}

/* Reports to instance i that the send of the record failed; has no effect if the record is from an earlier term. */
inline fail(i)
{
	if
	:: OWN(i) -> failed[i] = 1
	:: else
	fi
}

active proctype Wire()
{
	byte from;
end:
	do
	:: d_step { nempty(late) -> late?it; appended() }
	:: atomic {
		if
		:: nempty(wire[0]) -> from = 0
		:: nempty(wire[1]) -> from = 1
#if INSTANCES == 3
		:: nempty(wire[2]) -> from = 2
#endif
		fi;
		if
		:: d_step { wire[from]?it; appended() }
		:: d_step { faults < FAULTS -> faults++; wire[from]?it; fail(from) }
		:: d_step { faults < FAULTS -> faults++; wire[from]?<it>; fail(from) }
		:: d_step { faults < FAULTS && nfull(late) -> faults++; wire[from]?it; late!it; appended() }
		fi;
		from = 0
	}
	od
}

active proctype Group()
{
end:
	do
	:: d_step { moves < MOVES && assigned != 0 -> moves++; assigned = 0 }
	:: d_step { moves < MOVES && assigned != 1 -> moves++; assigned = 1 }
#if INSTANCES == 3
	:: d_step { moves < MOVES && assigned != 2 -> moves++; assigned = 2 }
#endif
	od
}

/* ---- an instance. v: the fold of the records that it has read. sent: number of its decisions that it has not read back yet.
 * assessed, commanded, last: v's members after these decisions. derived: number of accepted entries whose output is published */

mtype = { ASLEEP, CLAIMING, OPENING, OWNING };

#define SEQ ((BUG == 1 && v.epoch != term[i] -> 0 : v.seq) + sent + 1)

inline send(kind_, seq_, input_, after_)
{
	it.kind = kind_; it.epoch = term[i]; it.owner = OWNER(i); it.seq = seq_; it.input = input_; it.after = after_;
	it.assessed = assessed; it.commanded = commanded; it.derived = derived;
	wire[i]!it
}

inline undecide()
{
	sent = 0; assessed = v.assessed; commanded = v.commanded; last = v.last;
	derived = (BUG == 12 -> v.count : v.derived)
}

inline sleep()
{
	phase = ASLEEP; term[i] = 0; failed[i] = 0;
	do
	:: nempty(inbox[i]) -> inbox[i]?it
	:: empty(inbox[i]) -> break
	od;
	v.epoch = 0; v.owner = 0; v.seq = 0; v.before = 0; v.derived = 0;
#if BUG != 6
	v.last = 0; v.assessed = 0; v.commanded = 0; v.count = 0;
#endif
	undecide(); derived = 0
}

inline wake()
{
	v.epoch = truth.epoch; v.owner = truth.owner; v.seq = truth.seq; v.before = truth.before; v.derived = truth.derived;
#if BUG == 6
	if
	:: v.last == 0 -> v.last = truth.last; v.assessed = truth.assessed; v.commanded = truth.commanded; v.count = truth.count
	:: else
	fi;
#else
	v.last = truth.last; v.assessed = truth.assessed; v.commanded = truth.commanded; v.count = truth.count;
#endif
	undecide();
	term[i] = v.epoch + 1;
#if BUG == 1
	phase = OWNING
#elif BUG == 7
	term[i] = 1; phase = OWNING
#else
	phase = CLAIMING;
	send(CLAIM, 0, 0, 0)
#endif
}

inline claim_read()
{
	if
	:: phase == CLAIMING && OWN(i) ->
		phase = OPENING;
		undecide();
#if BUG == 3
		assessed = group_assessed; commanded = group_commanded;
#endif
		send(OPENED, 1, 0, v.before)
	:: phase == OPENING || phase == OWNING -> sleep()
	:: else
	fi
}

inline accepted_read()
{
	if
	:: BUG == 2 && phase == CLAIMING
	:: BUG == 6 && phase == OWNING && OWN(i) -> v.count++; v.derived = it.derived
	:: BUG == 1 && phase == OWNING && it.epoch > term[i] -> sleep()
	:: else -> fold(v)
	fi;
	if
	:: phase == OPENING && OWN(i) -> phase = OWNING
	:: phase == OWNING && OWN(i) && sent > 0 -> sent--
	:: phase == OWNING && !OWN(i) -> undecide()
	:: else
	fi
}

inline dropped_read()
{
	if
	:: OWN(i) && phase == CLAIMING && it.kind == CLAIM -> sleep()                           /* another claim was first */
	:: OWN(i) && phase != CLAIMING && it.kind != CLAIM && it.seq > v.seq + 1 && BUG != 7 -> sleep() /* a record is missing */
	:: else
	fi
}

inline decided()
{
	last = it.input; sent++;
#if BUG == 3
	group_assessed = assessed; group_commanded = commanded;
#endif
#if BUG == 6
	v.assessed = assessed; v.commanded = commanded; v.last = last;
#endif
#if BUG == 11
	assert(effective[it.input]);
#endif
	skip
}

inline publish()
{
	do
	:: derived < v.count ->
		derived++;
		assert(BUG > 0 || effective[order[derived]]);
		published[order[derived]] = 1
	:: else -> break
	od
}

proctype Instance(byte i)
{
	mtype phase = ASLEEP;
	byte sent, assessed, commanded, last, derived, keep, left;
	View v;
end:
	do
	:: d_step { phase == ASLEEP && assigned == i && nfull(wire[i]) -> wake() }
	:: d_step { phase == ASLEEP && assigned != i && rogues < ROGUES && nfull(wire[i]) -> rogues++; wake() }
	:: d_step { nempty(inbox[i]) && nfull(wire[i]) ->
		inbox[i]?it;
		judge(v);
		if
		:: verdict == CLAIMED -> claim_read()
		:: verdict == ACCEPTED -> accepted_read()
		:: verdict == DROPPED -> dropped_read()
		fi }
	:: d_step { phase == OWNING && sent < BATCH && assessed < 1 && nfull(wire[i]) ->
		assessed = 1; send(EFFECT, SEQ, 1, last); decided() }
	:: d_step { phase == OWNING && sent < BATCH && commanded < COMMANDS && nfull(wire[i]) ->
		commanded++; send(EFFECT, SEQ, commanded + 1, last); decided() }
	:: d_step { phase == OWNING && derived < v.count -> publish(); skip }
	:: d_step { failed[i] ->
		failed[i] = 0;
		if
		:: BUG == 10 && phase == OWNING -> undecide()
		:: phase != ASLEEP && !(BUG == 10 && phase == OWNING) -> sleep()
		:: else
		fi }
	:: atomic { crashes < CRASHES && phase != ASLEEP ->
		crashes++;
		left = len(wire[i]);
		do
		:: keep < left -> keep++
		:: break
		od;
		d_step {
			do
			:: left > 0 ->
				left--;
				wire[i]?it;
				if
				:: keep > 0 -> keep--; wire[i]!it
				:: else
				fi
			:: else -> break
			od;
			keep = 0;
			sleep();
			incarnation[i]++
		} }
	od
}

active proctype Rest()
{
	timeout ->
		assert(effective[1] && effective[2] && (COMMANDS < 2 || effective[3]));
		assert(answered);
		assert(published[1] && published[2] && (COMMANDS < 2 || published[3]))
}

init
{
	atomic {
		run Instance(0); run Instance(1);
#if INSTANCES == 3
		run Instance(2)
#endif
	}
}
