/* Names there and names here, as a table of beginnings. Linked into each plugin of an architecture.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CHECKPOINT_NAME_TABLE_H
#define KIT_CHECKPOINT_NAME_TABLE_H

#include <tessera/exchange.h>

/* The first row whose beginning fits decides: the rest of the name is the same on both sides. Ends with a row of NULL. */
struct name_row {
    const char *theirs, *ours; /* either may be NULL: on that side there is nothing of the kind */
    const char *left;          /* why, then */
};

/* The tensor of a name, or NULL. `name` is a format with one integer or none. */
const struct tess_entry *name_find(const struct tess_import_plan *p, const char *format, int64_t i);
const struct tess_entry *name_get(const struct tess_import_plan *p, const char *name);
/* Entry i by the table: its name here and its layout, or why it is left; neither where no row fits. A kernel of 1 x 1 is a matrix here. */
void name_import(const struct name_row *table, struct tess_import_plan *p, int64_t i);
/* The name there, or why it is left. The shape there is that of here, with a kernel's input channels second. */
void name_export(const struct name_row *table, struct tess_export_weight *w);

/* On the way back, TESS_E_VALUE unless the model's part (an attribute) is the component `use`; and unless the number behind the key, which
 * weights do not show, is the one wanted: or the file would mean another model. `who` is the architecture. */
int name_check_part(struct tess_context *ctx, const struct tess_export_plan *p, const char *who, const char *part, const char *use,
                    const char **config_text) TESS_CHECKED;
int name_check_number(struct tess_context *ctx, const char *config_text, const char *key, int64_t wanted) TESS_CHECKED;

#endif
