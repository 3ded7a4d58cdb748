/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hearby's own vectors: sessions from the clear text to the last record, and what has to be refused. */
#include "vectors.h"

#include <string.h>

#include "secure/fingerprint.h"
#include "secure/prologue.h"
#include "secure/sas.h"

#define ROLES 2
#define MESSAGES 3

/* ---- One handshake of a session ---- */

typedef struct
{
  Side sides[ROLES];
  GBytes *payloads[MESSAGES];
  GBytes *frames[MESSAGES];
} Session;

static void
session_init (Session *session, JsonObject *object)
{
  memset (session, 0, sizeof *session);
  for (guint role = 0; role < ROLES; role++)
    {
      g_autoptr (GBytes) prologue = json_hex (object, "prologue");

      side_init (&session->sides[role], object, role, NOISE_PROTOCOL, prologue);
    }
  for (guint i = 0; i < MESSAGES; i++)
    {
      JsonArray *payloads = json_object_get_array_member (object, "payloads");
      JsonArray *frames = json_object_get_array_member (object, "frames");

      session->payloads[i] = hex_bytes (json_array_get_string_element (payloads, i));
      session->frames[i] = hex_bytes (json_array_get_string_element (frames, i));
    }
}

static void
session_clear (Session *session)
{
  for (guint role = 0; role < ROLES; role++)
    side_clear (&session->sides[role]);
  for (guint i = 0; i < MESSAGES; i++)
    {
      g_clear_pointer (&session->payloads[i], g_bytes_unref);
      g_clear_pointer (&session->frames[i], g_bytes_unref);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Session, session_clear)

static gboolean
is_session (JsonObject *object)
{
  return json_text (object, "prologue") != NULL && json_object_has_member (object, "payloads")
         && json_object_has_member (object, "frames")
         && json_array_get_length (json_object_get_array_member (object, "payloads")) == MESSAGES
         && json_array_get_length (json_object_get_array_member (object, "frames")) == MESSAGES;
}

typedef struct
{
  Noise *noise[ROLES];
} Run;

static void
run_clear (Run *run)
{
  for (guint role = 0; role < ROLES; role++)
    noise_free (run->noise[role]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

/* Both sides talk; @instead, where given, arrives in place of message @at. FALSE where either refuses. */
static gboolean
run_to (Run *run, Session *session, guint messages, guint at, GBytes *instead)
{
  for (guint role = 0; role < ROLES; role++)
    if ((run->noise[role] = noise_new (&session->sides[role].config, NULL)) == NULL)
      return FALSE;
  for (guint i = 0; i < messages; i++)
    {
      g_autoptr (GByteArray) sent = g_byte_array_new ();
      g_autoptr (GByteArray) got = g_byte_array_new ();
      GBytes *payload = session->payloads[i];
      gboolean swap = instead != NULL && i == at;

      if (!noise_write (run->noise[i % ROLES], bytes_data (payload), bytes_size (payload), sent, NULL))
        return FALSE;
      if (!noise_read (run->noise[!(i % ROLES)], swap ? bytes_data (instead) : sent->data,
                       swap ? bytes_size (instead) : sent->len, got, NULL))
        return FALSE;
      if (instead == NULL
          && (!bytes_are (payload, got->data, got->len) || bytes_size (session->frames[i]) != sent->len + 2
              || bytes_data (session->frames[i])[0] != sent->len >> 8
              || bytes_data (session->frames[i])[1] != (sent->len & 0xff)
              || memcmp (bytes_data (session->frames[i]) + 2, sent->data, sent->len) != 0))
        return FALSE;
    }
  return TRUE;
}

static gboolean
completes (Session *session, guint at, GBytes *instead)
{
  g_auto (Run) run = { 0 };

  return run_to (&run, session, MESSAGES, at, instead);
}

/* The reader alone accepts @message as message @at, and can go on. */
static gboolean
accepts (Session *session, guint at, GBytes *message)
{
  g_autoptr (GByteArray) next = g_byte_array_new ();
  g_auto (Run) run = { 0 };
  Noise *reader;

  if (!run_to (&run, session, at + 1, at, message))
    return FALSE;
  reader = run.noise[!(at % ROLES)];
  return noise_state (reader) == NOISE_DONE || noise_write (reader, NULL, 0, next, NULL);
}

/* ---- The same in frames, which carry empty payloads ---- */

static gboolean
push_all (Handshake *handshake, const guint8 *bytes, gsize len)
{
  gsize used;

  return handshake_push (handshake, bytes, len, &used, NULL) && used == len;
}

/* FALSE where either refuses or waits for ever. */
static gboolean
frames_complete (Session *session, guint at, GBytes *instead)
{
  g_autoptr (Handshake) initiator = handshake_new (&session->sides[0].config, NULL);
  g_autoptr (Handshake) responder = handshake_new (&session->sides[1].config, NULL);
  Handshake *both[] = { initiator, responder };

  for (guint i = 0; i < MESSAGES && initiator != NULL && responder != NULL; i++)
    {
      g_autoptr (GBytes) out = handshake_take_output (both[i % ROLES]);
      GBytes *arrives = instead != NULL && i == at ? instead : out;

      if (out == NULL || (instead == NULL && !g_bytes_equal (out, session->frames[i]))
          || !push_all (both[!(i % ROLES)], bytes_data (arrives), bytes_size (arrives)))
        return FALSE;
    }
  return handshake_hash (initiator) != NULL && handshake_hash (responder) != NULL;
}

static gboolean
has_payloads (const Session *session)
{
  gsize total = 0;

  for (guint i = 0; i < MESSAGES; i++)
    total += bytes_size (session->payloads[i]);
  return total > 0;
}

/* Every bit of every message: FALSE where one of them does no harm. */
static gboolean
every_flip_fails (Session *session)
{
  gboolean framed = !has_payloads (session);

  for (guint at = 0; at < MESSAGES; at++)
    {
      gsize skip = framed ? 0 : 2;
      g_autoptr (GBytes) message
          = g_bytes_new_from_bytes (session->frames[at], skip, bytes_size (session->frames[at]) - skip);

      for (gsize bit = 0; bit < 8 * bytes_size (message); bit++)
        {
          g_autoptr (GBytes) flipped = flip (message, bit);

          if ((framed ? frames_complete : completes) (session, at, flipped))
            return FALSE;
        }
    }
  return TRUE;
}

/* ---- Sessions ---- */

static gboolean
prologue_is (JsonObject *object)
{
  g_autoptr (GBytes) expected = json_hex (object, "prologue");
  const char *initiator = json_text (object, "initiator_sent");
  const char *responder = json_text (object, "responder_sent");
  guint8 made[PROLOGUE_SIZE];
  Prologue prologue;

  if (initiator == NULL || responder == NULL)
    return FALSE;
  prologue_init (&prologue);
  for (const char *p = initiator; *p != '\0'; p++)
    prologue_add (&prologue, PROLOGUE_INITIATOR, p, 1);
  prologue_add (&prologue, PROLOGUE_RESPONDER, responder, strlen (responder));
  prologue_finish (&prologue, made);
  return bytes_are (expected, made, sizeof made);
}

static gboolean
statics_are (const Session *session, JsonObject *object)
{
  g_autoptr (GBytes) initiator = json_hex (object, "init_static_public");
  g_autoptr (GBytes) responder = json_hex (object, "resp_static_public");
  GBytes *expected[] = { initiator, responder };
  gboolean good = TRUE;

  for (guint role = 0; role < ROLES; role++)
    {
      guint8 public[X25519_KEY];

      if (session->sides[role].config.static_secret == NULL)
        return FALSE;
      x25519_public (public, session->sides[role].config.static_secret);
      good = good && bytes_are (expected[role], public, sizeof public);
    }
  return good;
}

static gboolean
hashes_are (const Run *run, JsonObject *object)
{
  g_autoptr (GBytes) hash = json_hex (object, "handshake_hash");

  return bytes_are (hash, noise_hash (run->noise[0]), SYMMETRIC_HASH)
         && bytes_are (hash, noise_hash (run->noise[1]), SYMMETRIC_HASH);
}

static gboolean
commit_is (const SasStream *stream, SasRole role, const guint8 *nonce, JsonObject *sas, const char *member)
{
  g_autoptr (GBytes) expected = json_hex (sas, member);
  guint8 commit[SAS_COMMIT];

  sas_commit (stream, role, nonce, commit);
  return bytes_are (expected, commit, sizeof commit) && sas_is_opening (stream, role, nonce, commit)
         && !sas_is_opening (stream, !role, nonce, commit);
}

static gboolean
sas_is (const Run *run, JsonObject *sas)
{
  g_autoptr (GBytes) initiator = json_hex (sas, "nonce_initiator");
  g_autoptr (GBytes) responder = json_hex (sas, "nonce_responder");
  SasStream stream = { noise_hash (run->noise[0]), noise_local_static (run->noise[0]),
                       noise_local_static (run->noise[1]) };
  const guint8 *n_i = bytes_key (initiator, SAS_NONCE);
  const guint8 *n_r = bytes_key (responder, SAS_NONCE);
  char code[SAS_CODE];

  if (n_i == NULL || n_r == NULL)
    return FALSE;
  sas_code (&stream, n_i, n_r, code);
  return json_is (sas, "code", code) && sas_is_code (code, json_text (sas, "code"))
         && commit_is (&stream, SAS_INITIATOR, n_i, sas, "commit_if_initiator_starts")
         && commit_is (&stream, SAS_RESPONDER, n_r, sas, "commit_if_responder_starts");
}

static gboolean
fingerprint_is (JsonObject *object, const char *member, const guint8 key[X25519_KEY])
{
  char fingerprint[FINGERPRINT_SIZE];

  fingerprint_make (key, fingerprint);
  return json_is (object, member, fingerprint) && fingerprint_is_of (json_text (object, member), key);
}

/* What comes after the handshake: everything that the session says about it. */
static void
check_end (const Run *run, JsonObject *object, const char *name, Tally *tally)
{
  const guint8 *initiator = noise_local_static (run->noise[0]);
  const guint8 *responder = noise_local_static (run->noise[1]);
  Cipher sending[ROLES], receiving[ROLES];

  tally_add (tally, hashes_are (run, object), "%s: the hash differs", name);
  if (json_object_has_member (object, "sas"))
    tally_add (tally, sas_is (run, json_object_get_object_member (object, "sas")), "%s: the code differs",
               name);
  if (json_object_has_member (object, "fingerprint_initiator"))
    tally_add (tally,
               fingerprint_is (object, "fingerprint_initiator", initiator)
                   && fingerprint_is (object, "fingerprint_responder", responder),
               "%s: a fingerprint differs", name);
  if (json_object_has_member (object, "simultaneous_open_keep_stream_initiated_by"))
    tally_add (tally,
               json_is (object, "simultaneous_open_keep_stream_initiated_by",
                        x25519_compare (initiator, responder) < 0 ? "initiator" : "responder"),
               "%s: another stream would stay", name);
  for (guint role = 0; role < ROLES; role++)
    noise_split (run->noise[role], &sending[role], &receiving[role], NULL);
  for (guint role = 0; role < ROLES; role++)
    tally_add (tally, memcmp (sending[role].key, receiving[!role].key, CIPHER_KEY) == 0,
               "%s: the keys differ", name);
  if (json_object_has_member (object, "records"))
    replay_session_records (json_object_get_array_member (object, "records"), sending, name, tally);
}

static void
replay_session (JsonObject *object, const char *name, Tally *tally)
{
  g_auto (Session) session = { 0 };
  g_auto (Run) run = { 0 };
  gboolean good;

  if (!is_session (object))
    {
      tally_add (tally, FALSE, "%s: it is no session", name);
      return;
    }
  session_init (&session, object);
  tally_add (tally, prologue_is (object), "%s: the prologue differs", name);
  tally_add (tally, statics_are (&session, object), "%s: a public key differs", name);
  good = run_to (&run, &session, MESSAGES, 0, NULL);
  tally_add (tally, good, "%s: the handshake differs", name);
  if (!good)
    return;
  if (!has_payloads (&session))
    tally_add (tally, frames_complete (&session, 0, NULL), "%s: the frames differ", name);
  check_end (&run, object, name, tally);
  tally_add (tally, every_flip_fails (&session), "%s: a changed bit of the handshake passed", name);
}

/* ---- What has to be refused, or not ---- */

static GBytes *
framed (GBytes *message)
{
  gsize len = bytes_size (message);
  guint8 *frame = g_malloc (len + 2);

  frame[0] = (guint8)(len >> 8);
  frame[1] = (guint8)len;
  if (len > 0)
    memcpy (frame + 2, bytes_data (message), len);
  return g_bytes_new_take (frame, len + 2);
}

/* The case says in words which message it is; where it does not, a responder's may be the first or the third.
 */
static gboolean
is_case_of (JsonObject *object, gboolean by_initiator, guint at)
{
  const char *what = json_text (object, "case");

  if (by_initiator)
    return at == 1;
  if (at == 1)
    return FALSE;
  return what == NULL || !g_str_has_prefix (what, at == 0 ? "message 3" : "message 1");
}

static gboolean
is_treated_well (Session *session, JsonObject *object, GBytes *message, gboolean accept)
{
  gboolean by_initiator = json_is (object, "reader", "initiator");
  g_autoptr (GBytes) frame = framed (message);
  gboolean accepted = FALSE;

  for (guint at = 0; at < MESSAGES; at++)
    {
      if (accept)
        accepted = accepted || (is_case_of (object, by_initiator, at) && accepts (session, at, message));
      else if ((at == 1) == by_initiator
               && (completes (session, at, message) || frames_complete (session, at, frame)))
        return FALSE;
    }
  return accepted == accept;
}

static void
replay_case (JsonObject *base, JsonObject *object, gboolean accept, Tally *tally)
{
  g_autoptr (GBytes) message = json_hex (object, "message");
  g_autoptr (GBytes) prologue = json_hex (object, "prologue");
  g_auto (Session) session = { 0 };
  NoiseConfig *reader;

  session_init (&session, base);
  reader = &session.sides[json_is (object, "reader", "initiator") ? 0 : 1].config;
  if (prologue != NULL)
    {
      reader->prologue = bytes_data (prologue);
      reader->prologue_len = bytes_size (prologue);
    }
  tally_add (tally,
             message != NULL
                 && (json_is (object, "reader", "initiator") || json_is (object, "reader", "responder"))
                 && is_treated_well (&session, object, message, accept),
             "%s: %s %s", json_text (object, "reader"), json_text (object, "case"),
             accept ? "is refused" : "is not refused");
}

static void
replay_cases (JsonObject *root, const char *member, gboolean accept, Tally *tally)
{
  JsonArray *cases = json_object_get_array_member (root, member);
  JsonObject *base = json_object_has_member (root, "negative_base")
                         ? json_object_get_object_member (root, "negative_base")
                         : NULL;

  if (base == NULL || !is_session (base))
    {
      tally_add (tally, FALSE, "%s: there is no negative_base", member);
      return;
    }
  for (guint i = 0; i < json_array_get_length (cases); i++)
    replay_case (base, json_array_get_object_element (cases, i), accept, tally);
}

static void
replay_negative (JsonObject *root, const char *member, Tally *tally)
{
  replay_cases (root, member, FALSE, tally);
}

static void
replay_accept (JsonObject *root, const char *member, Tally *tally)
{
  replay_cases (root, member, TRUE, tally);
}

static void
replay_base (JsonObject *root, const char *member, Tally *tally)
{
  replay_session (json_object_get_object_member (root, member), member, tally);
}

static void
replay_sessions (JsonObject *root, const char *member, Tally *tally)
{
  JsonArray *sessions = json_object_get_array_member (root, member);

  for (guint i = 0; i < json_array_get_length (sessions); i++)
    {
      g_autofree char *name = g_strdup_printf ("session %u", i);

      replay_session (json_array_get_object_element (sessions, i), name, tally);
    }
}

static void
replay_refused_keys (JsonObject *root, const char *member, Tally *tally)
{
  JsonArray *keys = json_object_get_array_member (root, member);

  for (guint i = 0; i < json_array_get_length (keys); i++)
    {
      JsonObject *object = json_array_get_object_element (keys, i);
      g_autoptr (GBytes) key = json_hex (object, "key");

      tally_add (tally, bytes_key (key, X25519_KEY) != NULL && !x25519_is_acceptable (bytes_data (key)),
                 "the key %s is accepted", json_text (object, "key"));
    }
}

static void
replay_fingerprints (JsonObject *root, const char *member, Tally *tally)
{
  JsonArray *list = json_object_get_array_member (root, member);

  for (guint i = 0; i < json_array_get_length (list); i++)
    {
      JsonObject *object = json_array_get_object_element (list, i);
      g_autoptr (GBytes) key = json_hex (object, "public");

      tally_add (tally,
                 bytes_key (key, X25519_KEY) != NULL
                     && fingerprint_is (object, "fingerprint", bytes_data (key)),
                 "the fingerprint of %s differs", json_text (object, "public"));
    }
}

static const struct
{
  const char *member;
  void (*replay) (JsonObject *root, const char *member, Tally *tally);
} kinds[] = {
  { "sessions", replay_sessions },
  { "negative_base", replay_base },
  { "negative_handshake", replay_negative },
  { "accept_handshake", replay_accept },
  { "static_public_key_must_refuse", replay_refused_keys },
  { "fingerprints", replay_fingerprints },
};

void
replay_channel (JsonObject *root, Tally *tally)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (json_object_has_member (root, kinds[i].member))
      kinds[i].replay (root, kinds[i].member, tally);
  replay_records (root, tally);
}
