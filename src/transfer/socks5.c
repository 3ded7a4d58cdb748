/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/socks5.h"

#include <string.h>

#include "base/error.h"

#define VERSION 5
#define NO_AUTHENTICATION 0
#define NO_METHOD 0xff
#define CONNECT 1
#define ADDRESS_IPV4 1
#define ADDRESS_NAME 3
#define ADDRESS_IPV6 4
#define SUCCEEDED 0
#define NOT_ALLOWED 2
#define COMMAND_UNKNOWN 7

#define MESSAGE_MAX (4 + 1 + 255 + 2) /* bytes of the longest: a request or reply with a name */

typedef enum
{
  STATE_METHOD,  /* client: which one the server chose; server: which ones there are */
  STATE_CONNECT, /* client: the reply; server: the request */
  STATE_DONE,
} State;

struct _Socks5
{
  gboolean    is_server;
  char       *address;
  State       state;
  guint8      in[MESSAGE_MAX];
  gsize       in_len;
  GByteArray *out;
  GError     *error;
};

char *
socks5_address (const char *sid, const char *requester, const char *target)
{
  g_autofree char *text = g_strconcat (sid, requester, target, NULL);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA1, text, -1);
}

static void
say (Socks5 *socks5, const guint8 *bytes, guint len)
{
  g_byte_array_append (socks5->out, bytes, len);
}

static Socks5 *
new_end (const char *address, gboolean is_server)
{
  Socks5 *socks5 = g_new0 (Socks5, 1);

  g_assert (strlen (address) <= 255);
  socks5->is_server = is_server;
  socks5->address = g_strdup (address);
  socks5->out = g_byte_array_new ();
  return socks5;
}

Socks5 *
socks5_new_client (const char *address)
{
  static const guint8 greeting[] = { VERSION, 1, NO_AUTHENTICATION }; /* libpurple reads just three bytes */
  Socks5             *socks5 = new_end (address, FALSE);

  say (socks5, greeting, sizeof greeting);
  return socks5;
}

Socks5 *
socks5_new_server (const char *address)
{
  return new_end (address, TRUE);
}

void
socks5_free (Socks5 *socks5)
{
  if (socks5 == NULL)
    return;
  g_free (socks5->address);
  g_byte_array_unref (socks5->out);
  g_clear_error (&socks5->error);
  g_free (socks5);
}

/* What is said ------------------------------------------------------------------------------------------- */

/* A request and its reply look alike. */
static void
say_connect (Socks5 *socks5, guint8 code)
{
  const guint8 head[] = { VERSION, code, 0, ADDRESS_NAME, (guint8) strlen (socks5->address) };
  const guint8 port[] = { 0, 0 };

  say (socks5, head, sizeof head);
  say (socks5, (const guint8 *) socks5->address, (guint) strlen (socks5->address));
  say (socks5, port, sizeof port);
}

static void
fail (Socks5 *socks5, HearbyError code, const char *what)
{
  socks5->error = g_error_new_literal (HEARBY_ERROR, (int) code, what);
}

static void
on_method (Socks5 *socks5)
{
  if (socks5->in[1] != NO_AUTHENTICATION)
    {
      fail (socks5, HEARBY_ERROR_REJECTED, "the sender's connection wants a password");
      return;
    }
  say_connect (socks5, CONNECT);
  socks5->state = STATE_CONNECT;
}

static void
on_methods (Socks5 *socks5)
{
  gboolean     known = memchr (socks5->in + 2, NO_AUTHENTICATION, socks5->in[1]) != NULL;
  const guint8 choice[] = { VERSION, known ? NO_AUTHENTICATION : NO_METHOD };

  say (socks5, choice, sizeof choice);
  if (known)
    socks5->state = STATE_CONNECT;
  else
    fail (socks5, HEARBY_ERROR_FAILED, "the receiver's connection wants a password");
}

static void
on_reply (Socks5 *socks5)
{
  if (socks5->in[1] == SUCCEEDED)
    socks5->state = STATE_DONE;
  else
    fail (socks5, HEARBY_ERROR_REJECTED, "the sender does not take the connection");
}

static gboolean
asks_for_ours (const Socks5 *socks5)
{
  gsize len = strlen (socks5->address);

  return socks5->in[3] == ADDRESS_NAME && socks5->in[4] == len
         && g_ascii_strncasecmp ((const char *) socks5->in + 5, socks5->address, len) == 0;
}

static void
on_request (Socks5 *socks5)
{
  if (socks5->in[1] != CONNECT)
    {
      say_connect (socks5, COMMAND_UNKNOWN);
      fail (socks5, HEARBY_ERROR_FAILED, "the receiver's connection asks for something else than a file");
    }
  else if (!asks_for_ours (socks5))
    {
      say_connect (socks5, NOT_ALLOWED);
      fail (socks5, HEARBY_ERROR_REJECTED, "a connection asks for another file");
    }
  else
    {
      say_connect (socks5, SUCCEEDED);
      socks5->state = STATE_DONE;
    }
}

/* What is heard ------------------------------------------------------------------------------------------- */

/* Bytes that the present message has, or has up to where it says how many. 0: it is none. */
static gsize
message_len (const Socks5 *socks5)
{
  const guint8 *in = socks5->in;

  if (socks5->in_len > 0 && in[0] != VERSION)
    return 0;
  if (socks5->state == STATE_METHOD)
    return socks5->is_server && socks5->in_len >= 2 ? 2 + (gsize) in[1] : 2;
  if (socks5->in_len < 5)
    return 5;
  switch (in[3])
    {
    case ADDRESS_IPV4:
      return 4 + 4 + 2;
    case ADDRESS_NAME:
      return 4 + 1 + (gsize) in[4] + 2;
    case ADDRESS_IPV6:
      return 4 + 16 + 2;
    default:
      return 0;
    }
}

static void
on_message (Socks5 *socks5)
{
  if (socks5->state == STATE_METHOD)
    (socks5->is_server ? on_methods : on_method) (socks5);
  else
    (socks5->is_server ? on_request : on_reply) (socks5);
  socks5->in_len = 0;
}

gboolean
socks5_push (Socks5 *socks5, const guint8 *bytes, gsize len, gsize *used, GError **error)
{
  *used = 0;
  while (socks5->error == NULL && socks5->state != STATE_DONE && *used < len)
    {
      gsize wanted;

      socks5->in[socks5->in_len++] = bytes[(*used)++];
      wanted = message_len (socks5);
      if (wanted == 0)
        fail (socks5, HEARBY_ERROR_FAILED, "the other end of a connection for a file does not speak SOCKS5");
      else if (socks5->in_len == wanted)
        on_message (socks5);
    }
  if (socks5->error == NULL)
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
  out = g_bytes_new (socks5->out->data, socks5->out->len);
  g_byte_array_set_size (socks5->out, 0);
  return out;
}

gboolean
socks5_is_done (const Socks5 *socks5)
{
  return socks5->error == NULL && socks5->state == STATE_DONE;
}
