/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Text is cleaned once when it enters from the network and escaped once when it meets a terminal. */

/* text_clean:
 * Valid UTF-8 of at most @max_bytes bytes (cut between characters) that D-Bus, XML 1.0 and SQLite all take: bad
 * bytes and characters that XML forbids (C0 but tab, LF, CR; U+FFFE, U+FFFF) become U+FFFD, CR LF becomes LF.
 * @len is -1 for a string that ends in NUL. Never NULL; the caller owns the answer. */
char *text_clean (const char *text, gssize len, gsize max_bytes);

/* text_clean_line: as text_clean(), for names and the like: every control and line break becomes a blank, bidi
 * controls are dropped, outer blanks removed. */
char *text_clean_line (const char *text, gssize len, gsize max_bytes);

typedef enum
{
  TEXT_ESCAPE_LINE,      /* one line: tab, LF, CR as \t \n \r too, and \ as \\ */
  TEXT_ESCAPE_MULTILINE, /* LF and tab stay */
} TextEscape;

/* text_escape: what may be printed to a terminal or into a column: C0, C1, DEL, bidi controls, line and paragraph
 * separators and bytes that are not UTF-8 are shown as \xNN (per byte of their UTF-8). Caller owns. */
char *text_escape (const char *text, TextEscape how);

/* text_shell_word: @text as a word for the shell, in a hint that somebody copies: quoted where it has to be, and with
 * "-- " in front where it would be an option. Caller owns. */
char *text_shell_word (const char *text);

/* text_is_bidi_control: U+061C, U+200E/F, U+202A-E, U+2066-9 */
gboolean text_is_bidi_control (gunichar c);

/* text_cut: bytes of @text up to @max_bytes that end between two characters; @text is valid UTF-8 */
gsize text_cut (const char *text, gsize max_bytes);

/* text_parse_duration: "30", "30s", "5m", "1h", "2d", "7d", "none" (-1) to seconds. FALSE where it is no duration. */
gboolean text_parse_duration (const char *text, gint64 *seconds);

/* text_format_size: the shortest text of which text_parse_size() makes @bytes, "2G". Caller owns. */
char *text_format_size (gint64 bytes);

/* text_format_time: µs since 1970 as RFC 3339 UTC with milliseconds, "2026-11-21T10:02:03.456Z". Caller owns. */
char *text_format_time (gint64 unix_us);

/* text_parse_time: RFC 3339 or XEP-0082 time, or a date ("2026-11-01", local midnight), to µs since 1970. */
gboolean text_parse_time (const char *text, gint64 *unix_us);

/* text_parse_size: "1500", "2K", "250M", "2G", "1T" (powers of 1024, any case) → bytes, up to 2^63-1. */
gboolean text_parse_size (const char *text, gint64 *size);
