/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sodium.h>

/* What both sides said in clear before the handshake, byte for byte, bound into it: a label and two running
 * hashes, fed with what was read and written. The initiator's bytes count from connect through the '>' of
 * <start/>, the responder's from accept through the '>' of <proceed/>. Pure. */

#define PROLOGUE_SIZE 79 /* "hearby-noise-0", NUL, two SHA-256 */

typedef enum
{
  PROLOGUE_INITIATOR,
  PROLOGUE_RESPONDER,
} PrologueSide;

typedef struct
{
  crypto_hash_sha256_state sides[2];
} Prologue;

void prologue_init (Prologue *prologue);
void prologue_add (Prologue *prologue, PrologueSide sender, const void *bytes, gsize len);

/* prologue_finish: once; @prologue is used up. */
void prologue_finish (Prologue *prologue, guint8 out[PROLOGUE_SIZE]);
