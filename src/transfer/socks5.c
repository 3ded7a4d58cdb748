/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/socks5.h"

#include <string.h>

#include "base/error.h"

#define VERSION 5
#define NO_AUTHENTICATION 0
#define NO_METHOD 0xff
#define CONNECT 1
#define ADDRESS_V4 1
#define ADDRESS_DOMAIN 3
#define ADDRESS_V6 4
#define REPLY_OK 0
#define REPLY_NOT_ALLOWED 2
#define REPLY_BAD_COMMAND 7
#define REPLY_BAD_ADDRESS 8

#define HEAD 5      /* of a request or its answer, to the first byte of the address */
#define MESSAGE_MAX (HEAD + 255 + 2)

typedef enum
{
  SERVER_GREETING,
  SERVER_REQUEST,
  CLIENT_METHOD,
  CLIENT_REPLY,
  OPEN,
  BROKEN,
} State;

struct _Socks5
{
  State       state;
  char        digest[SOCKS5_DIGEST + 1];
  guint8      in[MESSAGE_MAX]; /* the message that is being read */
  gsize       n_in;
  GByteArray *out;
  GError     *error;
};

static void
put (Socks5 *socks5, const guint8 *bytes, gsize len)
{
  g_byte_array_append (socks5->out, bytes, (guint) len);
}

/* A request or an answer: they only differ in what the second byte says. */
static void
put_message (Socks5 *socks5, guint8 what)
{
  const guint8 head[HEAD] = { VERSION, what, 0, ADDRESS_DOMAIN, SOCKS5_DIGEST };
  const guint8 port[2] = { 0, 0 };

  put (socks5, head, sizeof head);
  put (socks5, (const guint8 *) socks5->digest, SOCKS5_DIGEST);
  put (socks5, port, sizeof port);
}

static Socks5 *
socks5_new (State state, const char *digest)
{
  Socks5 *socks5 = g_new0 (Socks5, 1);

  socks5->state = state;
  g_strlcpy (socks5->digest, digest, sizeof socks5->digest);
  socks5->out = g_byte_array_new ();
  return socks5;
}

Socks5 *
socks5_new_server (const char *digest)
{
  return socks5_new (SERVER_GREETING, digest);
}

Socks5 *
socks5_new_client (const char *digest)
{
  static const guint8 greeting[] = { VERSION, 1, NO_AUTHENTICATION };
  Socks5 *socks5 = socks5_new (CLIENT_METHOD, digest);

  put (socks5, greeting, sizeof greeting);
  return socks5;
}

void
socks5_free (Socks5 *socks5)
{
  if (socks5 == NULL)
    return;
  g_byte_array_unref (socks5->out);
  g_clear_error (&socks5->error);
  g_free (socks5);
}

static void
fail (Socks5 *socks5, HearbyError code, const char *text)
{
  socks5->state = BROKEN;
  g_set_error_literal (&socks5->error, HEARBY_ERROR, code, text);
}

/* How many bytes the message has, as far as those that are there tell. */
static gsize
message_size (const Socks5 *socks5)
{
  const guint8 *in = socks5->in;

  if (socks5->state == CLIENT_METHOD)
    return 2;
  if (socks5->state == SERVER_GREETING)
    return socks5->n_in < 2 ? 2 : 2u + in[1];
  if (socks5->n_in < HEAD)
    return HEAD;
  if (in[3] == ADDRESS_V4)
    return 4 + 4 + 2;
  if (in[3] == ADDRESS_V6)
    return 4 + 16 + 2;
  return in[3] == ADDRESS_DOMAIN ? HEAD + in[4] + 2u : HEAD;
}

static void
handle_greeting (Socks5 *socks5)
{
  gboolean known = memchr (socks5->in + 2, NO_AUTHENTICATION, socks5->in[1]) != NULL;
  const guint8 answer[] = { VERSION, known ? NO_AUTHENTICATION : NO_METHOD };

  put (socks5, answer, sizeof answer);
  if (known)
    socks5->state = SERVER_REQUEST;
  else
    fail (socks5, HEARBY_ERROR_FAILED, "no method of authentication is known");
}

/* Who guesses does not learn from the answer what would have been right. */
static void
refuse (Socks5 *socks5, guint8 reply)
{
  const guint8 answer[] = { VERSION, reply, 0, ADDRESS_V4, 0, 0, 0, 0, 0, 0 };

  put (socks5, answer, sizeof answer);
  fail (socks5, HEARBY_ERROR_REJECTED, "somebody asked for another file");
}

static gboolean
is_ours (const Socks5 *socks5)
{
  return socks5->in[4] == SOCKS5_DIGEST
         && g_ascii_strncasecmp ((const char *) socks5->in + HEAD, socks5->digest, SOCKS5_DIGEST) == 0;
}

static void
handle_request (Socks5 *socks5)
{
  guint8 reply = REPLY_OK;

  if (socks5->in[1] != CONNECT)
    reply = REPLY_BAD_COMMAND;
  else if (socks5->in[3] != ADDRESS_DOMAIN)
    reply = REPLY_BAD_ADDRESS;
  else if (!is_ours (socks5))
    reply = REPLY_NOT_ALLOWED;
  if (reply == REPLY_OK)
    {
      put_message (socks5, reply);
      socks5->state = OPEN;
    }
  else
    refuse (socks5, reply);
}

static void
handle_method (Socks5 *socks5)
{
  if (socks5->in[1] != NO_AUTHENTICATION)
    {
      fail (socks5, HEARBY_ERROR_REJECTED, "the sender wants authentication");
      return;
    }
  put_message (socks5, CONNECT);
  socks5->state = CLIENT_REPLY;
}

static void
handle_reply (Socks5 *socks5)
{
  if (socks5->in[1] != REPLY_OK)
    fail (socks5, HEARBY_ERROR_REJECTED, "the sender does not know this file");
  else if (message_size (socks5) == HEAD)
    fail (socks5, HEARBY_ERROR_FAILED, "the sender's answer cannot be understood");
  else
    socks5->state = OPEN;
}

static void
handle_message (Socks5 *socks5)
{
  switch (socks5->state)
    {
    case SERVER_GREETING:
      handle_greeting (socks5);
      break;
    case SERVER_REQUEST:
      handle_request (socks5);
      break;
    case CLIENT_METHOD:
      handle_method (socks5);
      break;
    case CLIENT_REPLY:
      handle_reply (socks5);
      break;
    case OPEN:
    case BROKEN:
      break;
    }
  socks5->n_in = 0;
}

/* As many bytes as the message is known to have: never one of the file's. */
static gsize
take (Socks5 *socks5, const guint8 *bytes, gsize len)
{
  gsize n = MIN (len, message_size (socks5) - socks5->n_in);

  memcpy (socks5->in + socks5->n_in, bytes, n);
  socks5->n_in += n;
  if (socks5->in[0] != VERSION)
    fail (socks5, HEARBY_ERROR_FAILED, "this is not SOCKS5");
  else if (socks5->n_in == message_size (socks5))
    handle_message (socks5);
  return n;
}

gboolean
socks5_push (Socks5 *socks5, const guint8 *bytes, gsize len, gsize *used, GError **error)
{
  *used = 0;
  while (*used < len && socks5->state != OPEN && socks5->state != BROKEN)
    *used += take (socks5, bytes + *used, len - *used);
  if (socks5->state != BROKEN)
    return TRUE;
  if (error != NULL)
    *error = g_error_copy (socks5->error);
  return FALSE;
}

GBytes *
socks5_take_output (Socks5 *socks5)
{
  GBytes *out;

  if (socks5->out->len == 0)
    return NULL;
  out = g_byte_array_free_to_bytes (socks5->out);
  socks5->out = g_byte_array_new ();
  return out;
}

gboolean
socks5_is_open (Socks5 *socks5)
{
  return socks5->state == OPEN;
}
