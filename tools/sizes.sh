#!/bin/bash
# Checks that no function is longer than 80 lines and prints the distribution of lengths. Files have no limit.
set -uo pipefail
find shared services tools -name '*.c' | sort | xargs awk '
	FNR == 1 { files++ }
	/^{/ { start = FNR }
	/^}/ && start {
		length_ = FNR - start - 1
		sizes[count++] = length_
		if (length_ > 80) {
			printf "%s:%d: a function of %d lines: 80 are allowed\n", FILENAME, start, length_
			bad++
		}
		start = 0
	}
	END {
		for (i = 1; i < count; i++)
			for (j = i; j > 0 && sizes[j - 1] > sizes[j]; j--) {
				swap = sizes[j]; sizes[j] = sizes[j - 1]; sizes[j - 1] = swap
			}
		printf "%d files, %d functions: median %d lines, p90 %d, longest %d\n", files, count,
			sizes[int(count / 2)], sizes[int(count * 0.9)], sizes[count - 1]
		printf "%d passed, %d failed, 0 skipped\n", files, bad
		exit bad > 0
	}'
