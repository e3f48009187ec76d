/* Texts for people who wait: how long, how fast, how far. SPDX-License-Identifier: MIT */
#ifndef TESSI_PROGRESS_LINE_H
#define TESSI_PROGRESS_LINE_H

#include <stddef.h>
#include <stdint.h>

struct tessi_progress_line {
    const char *label, *unit, *metric; /* metric "": none */
    int64_t done, total;               /* total 0: not known */
    double value;                      /* the metric's value */
    double rate;                       /* rate in units a second; 0: not known */
    double left;                       /* seconds left, as the caller predicts them; 0: by the rate */
    double took;                       /* duration in seconds, once the work has ended; below 0: it goes on */
    const char *parts;                 /* parts of the work that go on, "prior 45 s"; NULL, "": not told */
};
/* Text of the progress line, at most `columns` bytes: what does not fit is left out, the rate first, then the parts, the metric, the unit,
 * the time and the label's end, and no number is ever cut. */
void tessi_base_progress_text(const struct tessi_progress_line *p, int64_t columns, char *text, size_t capacity);
/* Duration as text: "7 s", "2:05 min", "1:02:03 h". */
void tessi_base_duration_text(double seconds, char *text, size_t capacity);

#endif
