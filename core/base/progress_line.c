/* The line of what is at work; see progress_line.h. SPDX-License-Identifier: MIT */
#include "core/base/progress_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void tessi_base_duration_text(double seconds, char *text, size_t capacity)
{
    int64_t s = seconds > 0 ? seconds < 359999 ? (int64_t)(seconds + 0.5) : 359999 : 0;
    if (s < 60)
        (void)snprintf(text, capacity, "%" PRId64 " s", s);
    else if (s < 3600)
        (void)snprintf(text, capacity, "%" PRId64 ":%02" PRId64 " min", s / 60, s % 60);
    else
        (void)snprintf(text, capacity, "%" PRId64 ":%02" PRId64 ":%02" PRId64 " h", s / 3600, s / 60 % 60, s % 60);
}

/* A rate below one unit in ten seconds is told as seconds a unit. */
static void rate_text(const struct tessi_progress_line *p, char *text, size_t capacity)
{
    char each[40];
    if (p->rate >= 0.1) {
        (void)snprintf(text, capacity, p->rate < 10 ? "  %.2f/s" : p->rate < 1000 ? "  %.1f/s" : "  %.0f/s", p->rate);
    } else {
        tessi_base_duration_text(1 / p->rate, each, sizeof each);
        (void)snprintf(text, capacity, "  %s/%s", each, p->unit);
    }
}

static void time_text(const struct tessi_progress_line *p, char *text, size_t capacity)
{
    char clock[40];
    if (p->took >= 0) {
        tessi_base_duration_text(p->took, clock, sizeof clock);
        (void)snprintf(text, capacity, "  in %s", clock);
    } else if (p->left > 0) {
        tessi_base_duration_text(p->left, clock, sizeof clock);
        (void)snprintf(text, capacity, "  ETA %s", clock);
    } else if (p->rate > 0 && p->total > p->done) {
        tessi_base_duration_text((double)(p->total - p->done) / p->rate, clock, sizeof clock);
        (void)snprintf(text, capacity, "  ETA %s", clock);
    }
}

/* Bytes of the label that leave room for the rest, at whole characters of UTF-8. */
static size_t label_length(const char *label, int64_t capacity)
{
    size_t n = strlen(label);
    if (capacity < (int64_t)n)
        n = capacity > 0 ? (size_t)capacity : 0;
    while (n > 0 && ((unsigned char)label[n] & 0xc0) == 0x80)
        n--;
    return n;
}

void tessi_base_progress_text(const struct tessi_progress_line *p, int64_t columns, char *text, size_t capacity)
{
    enum { RATE, AT_WORK, METRIC, UNIT, TIME, PARTS };
    char part[PARTS][128] = {{0}}, count[64];
    if (p->total > 0)
        (void)snprintf(count, sizeof count, "  %" PRId64 "/%" PRId64, p->done, p->total);
    else
        (void)snprintf(count, sizeof count, "  %" PRId64, p->done);
    (void)snprintf(part[UNIT], sizeof part[UNIT], " %s", p->unit);
    if (p->rate > 0)
        rate_text(p, part[RATE], sizeof part[RATE]);
    time_text(p, part[TIME], sizeof part[TIME]);
    if (p->parts && p->parts[0])
        (void)snprintf(part[AT_WORK], sizeof part[AT_WORK], "  %s", p->parts);
    if (p->metric[0])
        (void)snprintf(part[METRIC], sizeof part[METRIC], "  %s %.4g", p->metric, p->value);

    size_t label = strlen(p->label), rest = strlen(count);
    for (int i = 0; i < PARTS; i++)
        rest += strlen(part[i]);
    for (int i = 0; i < PARTS && (int64_t)(label + rest) > columns; i++) {
        rest -= strlen(part[i]);
        part[i][0] = '\0';
    }
    const char *number = count;
    label = label_length(p->label, columns - (int64_t)rest);
    if (label == 0)
        number += 2; /* no blanks before it */
    if ((int64_t)(label + strlen(number)) > columns)
        number = "";
    (void)snprintf(text, capacity, "%.*s%s%s%s%s%s%s", (int)label, p->label, number, part[UNIT], part[RATE], part[TIME], part[AT_WORK],
                   part[METRIC]);
}
