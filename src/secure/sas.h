/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "secure/symmetric.h"
#include "secure/x25519.h"

/* The short code by which two people find out whether their programs hold each other's keys. It is only worth
 * something behind a commitment: who began shows its hash of a nonce before it sees the other's, so an
 * attacker between two sessions has one blind guess in 2^39. Pure; the order of the messages and who may ask
 * is core's. */

#define SAS_NONCE 32
#define SAS_COMMIT 32
#define SAS_CODE 15 /* "4821 7390 1264" and its NUL */

typedef enum
{
  SAS_INITIATOR, /* the roles of the stream's handshake, whoever asked for the check */
  SAS_RESPONDER,
} SasRole;

typedef struct
{
  const guint8 *hash;      /* SYMMETRIC_HASH bytes: handshake_hash() of this stream */
  const guint8 *initiator; /* X25519_KEY bytes: static public keys */
  const guint8 *responder;
} SasStream;

/* sas_commit: what @beginner, who asked for the check, sends first. */
void sas_commit (const SasStream *stream, SasRole beginner, const guint8 nonce[SAS_NONCE],
                 guint8 commit[SAS_COMMIT]);

/* sas_is_opening: @nonce is the one that @commit was made of. */
gboolean sas_is_opening (const SasStream *stream, SasRole beginner, const guint8 nonce[SAS_NONCE],
                         const guint8 commit[SAS_COMMIT]);

/* sas_code: what both people compare, when both nonces are known and the commitment was opened. A secret
 * until then. */
void sas_code (const SasStream *stream, const guint8 initiator_nonce[SAS_NONCE],
               const guint8 responder_nonce[SAS_NONCE], char code[SAS_CODE]);

/* sas_is_any_code: @typed has as many digits as a code, so it is not just half of one or something else. */
gboolean sas_is_any_code (const char *typed);

/* sas_is_code: @typed, as a person typed it, has the digits of @code, with blanks and hyphens wherever. */
gboolean sas_is_code (const char code[SAS_CODE], const char *typed);
