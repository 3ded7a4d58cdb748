/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/messenger-private.h"
#include "net/deadline.h"
#include "secure/sas.h"
#include "xmpp/ns.h"

/* Two users compare codes (hearby-protocol(7), verification):
 *
 *   V → W  start   a commitment to V's nonce
 *   W → V  nonce   W's, when W's user agreed; no code is known yet
 *   V → W  reveal  V's nonce; now both show the code
 *
 * Each side trusts its own user's answer alone; the other's "mismatch" only ends the run. A run lives on one stream, for two minutes,
 * and counts against the limits however it ended: who begins on two streams at once could look at both codes and go away unseen. Our
 * user's no counts after the end, too: whoever is in between would see to an end as soon as the codes are there. */

#define RUN_US (120 * (gint64) G_USEC_PER_SEC)
#define HOUR_US (3600 * (gint64) G_USEC_PER_SEC)

static const char theirs_differ[] = "the other side says that the codes differ";

typedef enum
{
  RUN_WAITS,     /* ours: for a stream */
  RUN_ASKED,     /* theirs: our user has not agreed yet */
  RUN_COMMITTED, /* start was sent, or nonce: the other has to go on */
  RUN_SHOWN,     /* both know the code */
  RUN_OVER,
} RunState;

typedef struct
{
  char     id[40];
  gint64   peer, begun;
  Session *session; /* NULL: none yet, or none any more */
  RunState state;
  gboolean ours;    /* we are V */
  gboolean counts;  /* our user took part */
  gboolean shown;   /* our user saw the code, and has not answered yet */
  guint8   key[X25519_KEY], nonce[SAS_NONCE], theirs[SAS_NONCE], commit[SAS_COMMIT];
  char     code[SAS_CODE];
  const char *why; /* it is over without an answer */
  MessengerCode done;
  gpointer user_data;
  GSource *timer;
  Messenger *messenger;
} Run;

static void
run_free (gpointer data)
{
  Run *run = data;

  deadline_drop (&run->timer);
  sodium_memzero (run, sizeof *run);
  g_free (run);
}

static GPtrArray *
runs_of (Messenger *messenger)
{
  if (messenger->runs == NULL)
    messenger->runs = g_ptr_array_new_with_free_func (run_free);
  return messenger->runs;
}

void
verification_free_all (Messenger *messenger)
{
  g_clear_pointer (&messenger->runs, g_ptr_array_unref);
}

static Run *
find_active (Messenger *messenger, const Peer *peer)
{
  GPtrArray *runs = runs_of (messenger);

  for (guint i = 0; i < runs->len; i++)
    {
      Run *run = g_ptr_array_index (runs, i);

      if (run->state != RUN_OVER && (peer != NULL ? run->peer == peer->row->id : run->counts))
        return run;
    }
  return NULL;
}

static Run *
find_id (Messenger *messenger, const char *id)
{
  GPtrArray *runs = runs_of (messenger);

  for (guint i = 0; id != NULL && i < runs->len; i++)
    if (g_str_equal (((Run *) g_ptr_array_index (runs, i))->id, id))
      return g_ptr_array_index (runs, i);
  return NULL;
}

/* The one with @peer whose code our user saw last and did not answer yet; it may be over. */
static Run *
find_shown (Messenger *messenger, const Peer *peer)
{
  GPtrArray *runs = runs_of (messenger);

  for (guint i = runs->len; i > 0; i--)
    {
      Run *run = g_ptr_array_index (runs, i - 1);

      if (run->shown && run->peer == peer->row->id)
        return run;
    }
  return NULL;
}

static void
tell_peer (Messenger *messenger, const Run *run)
{
  Peer *peer = roster_by_id (messenger->roster, run->peer);

  if (peer != NULL)
    messenger_peer_changed (messenger, peer, PEER_CHANGED_POLICY);
}

/* Limits ------------------------------------------------------------------------------------------------------ */

/* What is over and began more than an hour ago is forgotten, and at once what nobody here took part in: it showed nothing. */
static void
drop_old (Messenger *messenger, gint64 now)
{
  GPtrArray *runs = runs_of (messenger);

  for (guint i = runs->len; i > 0; i--)
    {
      const Run *run = g_ptr_array_index (runs, i - 1);

      if (run->state == RUN_OVER && (!run->counts || run->begun + HOUR_US <= now))
        g_ptr_array_remove_index (runs, i - 1);
    }
}

static gboolean
may_begin (Messenger *messenger, const Peer *peer, GError **error)
{
  GPtrArray *runs = runs_of (messenger);
  guint same = 0, all = 0;

  drop_old (messenger, g_get_monotonic_time ());
  for (guint i = 0; i < runs->len; i++)
    {
      const Run *run = g_ptr_array_index (runs, i);

      all += run->counts;
      same += run->counts && run->peer == peer->row->id;
    }
  if (same < LIMIT_VERIFY_PEER && all < LIMIT_VERIFY_ALL && find_active (messenger, NULL) == NULL)
    return TRUE;
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED,
               find_active (messenger, NULL) != NULL
                   ? "another comparison of codes is going on\nit ends after two minutes at the latest"
                   : "there were too many comparisons of codes within the hour\ntry again later, or compare fingerprints: 'hearby id'");
  return FALSE;
}

/* Life ----------------------------------------------------------------------------------------------------------- */

/* Whoever waits for the code is told once. */
static void
answer_waiting (Run *run, const char *code, const GError *error)
{
  MessengerCode done = run->done;

  run->done = NULL;
  if (done != NULL)
    done (run->id, code, error, run->user_data);
}

static void
finish (Messenger *messenger, Run *run, const char *why)
{
  g_autoptr (GError) error = NULL;
  Peer *peer = roster_by_id (messenger->roster, run->peer);

  if (run->state == RUN_OVER)
    return;
  run->state = RUN_OVER;
  run->why = why;
  run->session = NULL;
  deadline_drop (&run->timer);
  sodium_memzero (run->nonce, sizeof run->nonce);
  if (!run->shown)
    sodium_memzero (run->code, sizeof run->code);
  if (peer != NULL)
    peer->verifying = FALSE;
  if (why == theirs_differ)
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_NOT_VERIFIED,
                 "%s: somebody may be between you\ntalk to each other by another way, and say no here too if that is so", why);
  else if (why != NULL)
    g_set_error (&error, HEARBY_ERROR, HEARBY_ERROR_CANCELED, "%s", why);
  answer_waiting (run, NULL, error);
  tell_peer (messenger, run);
}

static void
send_step (Run *run, const char *step, const guint8 *bytes)
{
  Session *session = run->session;
  g_autofree char *text = bytes != NULL ? g_base64_encode (bytes, SAS_NONCE) : NULL;
  Node *message, *verify;

  if (session == NULL)
    return;
  message = node_new ("message", NS_CLIENT);
  node_set (message, "from", session_own (session));
  node_set (message, "to", session_peer_name (session));
  verify = node_add (message, "verify", NS_VERIFY);
  node_set (verify, "run", run->id);
  node_set (verify, "step", step);
  if (text != NULL)
    node_add_text (verify, text);
  session_send_element (session, message);
}

static void
cancel (Messenger *messenger, Run *run, const char *why)
{
  if (run->state != RUN_OVER && run->state != RUN_WAITS)
    send_step (run, "cancel", NULL);
  finish (messenger, run, why);
}

static gboolean
on_late (gpointer user_data)
{
  Run *run = user_data;

  cancel (run->messenger, run, run->state == RUN_SHOWN ? "nobody answered in time" : "the other side did not agree in time");
  return G_SOURCE_CONTINUE;
}

static Run *
run_new (Messenger *messenger, const Peer *peer, const char *id, gboolean ours)
{
  Run *run = g_new0 (Run, 1);

  run->messenger = messenger;
  g_strlcpy (run->id, id, sizeof run->id);
  run->peer = peer->row->id;
  run->begun = g_get_monotonic_time ();
  run->ours = run->counts = ours;
  randombytes_buf (run->nonce, sizeof run->nonce);
  run->timer = deadline_new (on_late, run);
  deadline_set (run->timer, run->begun + RUN_US);
  g_ptr_array_add (runs_of (messenger), run);
  return run;
}

/* The exchange ------------------------------------------------------------------------------------------------------ */

static SasStream
stream_of (Session *session)
{
  gboolean first = session_is_initiator (session);

  return (SasStream){ .hash = session_hash (session),
                      .initiator = first ? session_own_key (session) : session_key (session),
                      .responder = first ? session_key (session) : session_own_key (session) };
}

static SasRole
role_of (Session *session, gboolean ours)
{
  return session_is_initiator (session) == ours ? SAS_INITIATOR : SAS_RESPONDER;
}

static void
begin_on (Messenger *messenger, Run *run, Session *session)
{
  SasStream stream = stream_of (session);
  guint8 commit[SAS_COMMIT];

  run->session = session;
  memcpy (run->key, session_key (session), sizeof run->key);
  sas_commit (&stream, role_of (session, TRUE), run->nonce, commit);
  run->state = RUN_COMMITTED;
  send_step (run, "start", commit);
}

/* Our user agreed: the other side's turn to open its commitment. */
static void
agree (Run *run)
{
  run->counts = TRUE;
  run->state = RUN_COMMITTED;
  send_step (run, "nonce", run->nonce);
}

static void
show_code (Messenger *messenger, Run *run)
{
  SasStream stream = stream_of (run->session);
  gboolean first = session_is_initiator (run->session);

  sas_code (&stream, first ? run->nonce : run->theirs, first ? run->theirs : run->nonce, run->code);
  run->state = RUN_SHOWN;
  run->shown = TRUE;
  answer_waiting (run, run->code, NULL);
  tell_peer (messenger, run);
}

/* The peer's user wants to compare. Where ours asked at the same time, he has agreed already; who has the smaller key is V. */
static void
on_start (Messenger *messenger, Session *session, Peer *peer, const char *id, const guint8 *commit)
{
  Run *mine = find_active (messenger, peer);
  gboolean agreed = mine != NULL && mine->ours && (mine->state == RUN_WAITS || mine->state == RUN_COMMITTED);
  Run *run = mine;

  if (agreed && mine->state == RUN_COMMITTED
      && x25519_compare (session_own_key (session), session_key (session)) < 0)
    return; /* it agrees to ours */
  if (mine != NULL && !agreed)
    {
      cancel (messenger, mine, "the other side began anew");
      return;
    }
  drop_old (messenger, g_get_monotonic_time ());
  if (run == NULL)
    run = run_new (messenger, peer, id, FALSE);
  g_strlcpy (run->id, id, sizeof run->id);
  run->ours = FALSE;
  run->session = session;
  run->state = RUN_ASKED;
  memcpy (run->key, session_key (session), sizeof run->key);
  memcpy (run->commit, commit, sizeof run->commit);
  if (agreed)
    agree (run);
  else
    g_message ("'%s' wants to compare codes: hearby verify %s", peer->row->instance, peer->row->instance);
  tell_peer (messenger, run);
}

static void
on_nonce (Messenger *messenger, Run *run, const guint8 *nonce)
{
  if (!run->ours || run->state != RUN_COMMITTED)
    {
      cancel (messenger, run, "the other side did not keep to the order");
      return;
    }
  memcpy (run->theirs, nonce, sizeof run->theirs);
  send_step (run, "reveal", run->nonce);
  show_code (messenger, run);
}

static void
on_reveal (Messenger *messenger, Run *run, const guint8 *nonce)
{
  SasStream stream = stream_of (run->session);

  if (run->ours || run->state != RUN_COMMITTED || !sas_is_opening (&stream, role_of (run->session, FALSE), nonce, run->commit))
    {
      g_warning ("a comparison of codes was tampered with");
      cancel (messenger, run, "the other side showed something else than it had promised");
      return;
    }
  memcpy (run->theirs, nonce, sizeof run->theirs);
  show_code (messenger, run);
}

static gboolean
take_bytes (const Node *verify, guint8 bytes[SAS_NONCE])
{
  g_autofree char *text = node_dup_text (verify);
  gsize len;

  return sodium_base642bin (bytes, SAS_NONCE, text, strlen (text), NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0
         && len == SAS_NONCE;
}

void
verification_receive (Messenger *messenger, Session *session, const Node *verify)
{
  const char *id = node_get (verify, "run");
  const char *step = node_get (verify, "step");
  Peer *peer = session_peer (session);
  guint8 bytes[SAS_NONCE] = { 0 };
  gboolean filled = take_bytes (verify, bytes);
  Run *run = find_id (messenger, id);

  if (id == NULL || step == NULL || strlen (id) >= sizeof run->id || peer->row->blocked)
    return;
  if (g_str_equal (step, "start"))
    {
      if (filled && run == NULL)
        on_start (messenger, session, peer, id, bytes);
      return;
    }
  if (run == NULL || run->session != session || run->state == RUN_OVER)
    return;
  if (g_str_equal (step, "nonce") && filled)
    on_nonce (messenger, run, bytes);
  else if (g_str_equal (step, "reveal") && filled)
    on_reveal (messenger, run, bytes);
  else if (g_str_equal (step, "mismatch"))
    finish (messenger, run, theirs_differ);
  else if (g_str_equal (step, "cancel"))
    finish (messenger, run, "the other side ended it");
}

/* The stream to compare on: of one in conflict with whoever is in question. */
static Session *
find_session (Peer *peer)
{
  for (guint i = 0; i < peer->sessions->len; i++)
    {
      Session *session = g_ptr_array_index (peer->sessions, i);

      if (session_is_open (session) && session_is_restricted (session))
        return session;
    }
  if (peer->row->claim != NULL || peer->session == NULL || !session_is_secure (peer->session))
    return NULL;
  return peer->session;
}

void
verification_opened (Messenger *messenger, Session *session)
{
  Peer *peer = session_peer (session);
  Run *run = peer != NULL ? find_active (messenger, peer) : NULL;
  Session *best = session_is_open (session) && session_is_restricted (session) ? session : peer != NULL ? find_session (peer) : NULL;

  if (run == NULL || run->state != RUN_WAITS || best == NULL)
    return;
  peer->verifying = FALSE;
  begin_on (messenger, run, best);
}

gboolean
verification_runs_on (Messenger *messenger, Session *session)
{
  GPtrArray *runs = runs_of (messenger);

  for (guint i = 0; i < runs->len; i++)
    {
      const Run *run = g_ptr_array_index (runs, i);

      if (run->session == session && run->state != RUN_OVER)
        return TRUE;
    }
  return FALSE;
}

/* Of two streams that were opened at once the one on which we began may have been closed. As long as we know nothing of the other's nonce
 * a beginning on the other stream gives nobody a second guess. */
static gboolean
begin_again (Messenger *messenger, Run *run, Session *ended)
{
  Peer *peer = roster_by_id (messenger->roster, run->peer);
  Session *session = peer != NULL ? find_session (peer) : NULL;
  g_autofree char *id = g_uuid_string_random ();

  if (!run->ours || run->state != RUN_COMMITTED || session == NULL || session == ended)
    return FALSE;
  g_strlcpy (run->id, id, sizeof run->id);
  randombytes_buf (run->nonce, sizeof run->nonce);
  begin_on (messenger, run, session);
  return TRUE;
}

void
verification_ended (Messenger *messenger, Session *session, gboolean others)
{
  GPtrArray *runs = runs_of (messenger);

  for (guint i = 0; i < runs->len; i++)
    {
      Run *run = g_ptr_array_index (runs, i);

      if (run->session == session && run->state != RUN_OVER && !(others && begin_again (messenger, run, session)))
        finish (messenger, run, "the stream ended");
    }
}

/* The user ---------------------------------------------------------------------------------------------------------------- */

gboolean
messenger_wants_verify (Messenger *messenger, const Peer *peer)
{
  Run *run = find_active (messenger, peer);

  return run != NULL && run->state == RUN_ASKED;
}

const char *
messenger_verify (Messenger *messenger, Peer *peer, MessengerCode done, gpointer user_data, GError **error)
{
  Run *run = find_active (messenger, peer);
  g_autofree char *id = NULL;

  if (peer->is_self || !peer_encrypts (peer) || trust_policy (messenger, peer) == ENCRYPTION_NEVER)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_SUPPORTED, "there is no key to verify: this peer cannot encrypt");
      return NULL;
    }
  if ((run == NULL || run->state == RUN_ASKED) && !may_begin (messenger, peer, error))
    return NULL;
  if (run != NULL && run->state != RUN_ASKED)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_FAILED, "this peer's code is being compared already");
      return NULL;
    }
  if (run == NULL && !peer_is_online (peer))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_PEER_OFFLINE,
                   "the peer is not on the air\nboth have to be there; 'hearby id --qr' works without");
      return NULL;
    }
  if (run == NULL)
    {
      id = g_uuid_string_random ();
      run = run_new (messenger, peer, id, TRUE);
    }
  run->done = done;
  run->user_data = user_data;
  if (run->state == RUN_ASKED)
    agree (run);
  else if (find_session (peer) != NULL)
    begin_on (messenger, run, find_session (peer));
  else
    {
      peer->verifying = TRUE;
      streams_forget_pause (peer);
      dial_again (messenger, peer);
    }
  return run->id;
}

gboolean
messenger_answer (Messenger *messenger, Peer *peer, const char *id, const char *typed, gboolean match, gboolean *same,
                  GError **error)
{
  Run *run = *id != '\0' ? find_id (messenger, id) : find_shown (messenger, peer);
  guint8 key[X25519_KEY];

  if (typed != NULL && !sas_is_any_code (typed))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT, "that is no code\nit has three groups of four digits");
      return FALSE;
    }
  if (run == NULL || !run->shown || run->peer != peer->row->id)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no such comparison of codes (any more)");
      return FALSE;
    }
  *same = typed != NULL ? sas_is_code (run->code, typed) : match;
  if (*same && run->state != RUN_SHOWN)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_CANCELED, "the comparison of codes is over: %s\ncompare anew", run->why);
      return FALSE;
    }
  run->shown = FALSE;
  memcpy (key, run->key, sizeof key);
  send_step (run, *same ? "match" : "mismatch", NULL);
  finish (messenger, run, NULL);
  trust_verified (messenger, peer, key, *same);
  return TRUE;
}

void
messenger_cancel_verify (Messenger *messenger, const Peer *peer)
{
  Run *run = find_active (messenger, peer);

  if (run != NULL)
    cancel (messenger, run, "you ended it");
}
