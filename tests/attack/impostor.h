/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "leg.h"
#include "units.h"

/* A man in the middle with keys of his own: an encrypted stream with each side, and what they say goes
 * through his hands. */

typedef enum
{
  IMPOSTOR_RELAY,  /* also what belongs to a verification, as it is */
  IMPOSTOR_ANSWER, /* when one side starts a verification, he does it with both, with nonces of his own */
  IMPOSTOR_START,  /* he starts one with both as soon as they have said something */
} ImpostorKind;

/* impostor_run: takes both; the initiator's is answered, then the responder is called. Until one side ended.
 */
void impostor_run (ImpostorKind kind, Leg *initiator, Leg *responder, const char *own, gint64 connection);
