/* Members of a JSON object, for descriptions that stand beside data. SPDX-License-Identifier: MIT */
#ifndef KIT_FORMAT_JSON_MEMBER_H
#define KIT_FORMAT_JSON_MEMBER_H

#include <stddef.h>

enum { JSON_MISSING, JSON_TEXT, JSON_NUMBER, JSON_OTHER, JSON_TOO_LONG, JSON_DAMAGED };

/* Returns the type of the member `key` of the object that `text` is (RFC 8259), nested objects not searched. A text is written to `to`,
 * decoded and with its end, a number as it stands; JSON_TOO_LONG where `capacity` does not suffice. The first counts where a key stands
 * twice. The whole text is checked: JSON_DAMAGED where it is not one object of depth 64 at most, or the text has a character U+0000. */
int json_member(const char *text, size_t bytes, const char *key, char *to, size_t capacity);

#endif
