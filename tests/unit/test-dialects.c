/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goal: each legacy program's stream is understood, in both roles, whole, byte by byte and in random slices.
 */
#include "xmpp/stream.h"

#include <string.h>

#include "slices.h"
#include "xmpp/ns.h"
#include "xmpp/stanza.h"

#define XMLNS "xmlns=\"jabber:client\" xmlns:stream=\"http://etherx.jabber.org/streams\""
#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n"

/* The events are written down as: H(from,to,1.0) F R "body" (state) other-name X(condition) C */
typedef struct
{
  const char *program;
  StreamRole our_role;
  const char *bytes;
  const char *events;
} Script;

static const Script scripts[] = {
  { "libpurple", STREAM_RESPONDER,
    DECLARATION
    "<stream:stream " XMLNS " from=\"juliet@pronto\" to=\"romeo@forza\">"
    "<message to='romeo@forza' from='juliet@pronto' type='chat'><body>hi there</body>"
    "<html xmlns='http://www.w3.org/1999/xhtml'><body><font>hi there</font></body></html>"
    "<x xmlns='jabber:x:event'><composing/></x></message>"
    "<message to='romeo@forza' from='juliet@pronto' type='chat'><body>a &lt;b&gt;\nc</body>"
    "<html xmlns='http://www.w3.org/1999/xhtml'><body><font>a &lt;b&gt;<br/>c</font></body></html>"
    "<x xmlns='jabber:x:event'><composing/></x></message></stream:stream>",
    "H(juliet@pronto,romeo@forza) R \"hi there\" \"a <b>\nc\" C" },
  { "libpurple, by address only", STREAM_RESPONDER,
    DECLARATION "<stream:stream " XMLNS " from=\"juliet@pronto\" to=\"\">", "H(juliet@pronto,) R" },
  { "libpurple, of a forged header", STREAM_INITIATOR,
    DECLARATION "<stream:stream " XMLNS " from=\"juliet@pronto\" to=\"romeo@forza\"></stream:stream>",
    "H(juliet@pronto,romeo@forza) R C" },
  { "libpurple", STREAM_INITIATOR,
    DECLARATION "<stream:stream " XMLNS " from=\"juliet@pronto\" to=\"romeo@forza\">"
                "<iq type='set' to='romeo@forza' from='juliet@pronto' id='0'><si "
                "xmlns='http://jabber.org/protocol/si' id='0' "
                "profile='http://jabber.org/protocol/si/profile/file-transfer'><file xmlns="
                "'http://jabber.org/protocol/si/profile/file-transfer' name='a.txt' size='3'/></si></iq>",
    "H(juliet@pronto,romeo@forza) R iq" },
  { "Salut", STREAM_RESPONDER,
    "<?xml version='1.0' encoding='UTF-8'?>\n<stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' to='romeo@forza' from='wjt@bael' version='1.0'>\n"
    "<stream:features/>\n<message type='chat' from='wjt@bael' to='romeo@forza'><body>hello</body>"
    "<active xmlns='http://jabber.org/protocol/chatstates'/><html "
    "xmlns='http://jabber.org/protocol/xhtml-im'>"
    "<body xmlns='http://www.w3.org/1999/xhtml'><p>hello</p></body></html></message>"
    "<message type='chat'><composing "
    "xmlns='http://jabber.org/protocol/chatstates'/></message></stream:stream>\n",
    "H(wjt@bael,romeo@forza,1.0) R \"hello\" (active) (composing) C" },
  { "Salut", STREAM_INITIATOR,
    "<?xml version='1.0' encoding='UTF-8'?>\n<stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' to='romeo@forza' from='wjt@bael (2)' version='1.0'>\n"
    "<stream:features/><iq type='get' id='45'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    "H(wjt@bael (2),romeo@forza,1.0) F R iq" },
  { "iChat", STREAM_RESPONDER,
    "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><stream:stream " XMLNS ">"
    "<message type=\"chat\" id=\"iChat_7F\"><body>H</body><x xmlns=\"jabber:x:event\"><composing/>"
    "<id>iChat_7F</id></x></message>"
    "<message type=\"chat\" to=\"romeo@forza\" id=\"iChat_80\"><body>Hi</body><html "
    "xmlns=\"http://www.w3.org/1999/xhtml\">"
    "<body ichatballooncolor=\"#7BB5EE\" ichattextcolor=\"#000000\"><font face=\"Helvetica\" "
    "ABSZ=\"12\">Hi</font></body>"
    "</html><x xmlns=\"jabber:x:event\"><offline/><delivered/><composing/></x></message></stream:stream>",
    "H(-,-) R (composing) \"Hi\" C" },
  { "iChat", STREAM_INITIATOR,
    "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><stream:stream " XMLNS ">"
    "<iq type='set' id='iChat_1'><query xmlns='jabber:iq:oob'><url type='file' "
    "size='3'>http://10.0.0.2:1/x</url>"
    "</query></iq>",
    "H(-,-) R iq" },
  { "Adium", STREAM_RESPONDER,
    "<?xml version='1.0' encoding='UTF-8' ?><stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' to='127.0.0.1' from='evan@mac'>\n"
    "<message to='10.0.0.2' from='evan@mac' type='chat' id='1'><body>x &amp; y</body>"
    "<html xmlns='http://www.w3.org/1999/xhtml'><body ichatballooncolor='#7BB5EE'><font>x &amp; "
    "y</font></body></html>"
    "<x xmlns='jabber:x:event'><composing/></x></message>",
    "H(evan@mac,127.0.0.1) R \"x & y\"" },
  { "Adium", STREAM_INITIATOR,
    "<?xml version='1.0' encoding='UTF-8' ?><stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' to='' from='evan@mac'><message type='chat'>"
    "<x xmlns='jabber:x:event'><id>7</id></x></message></stream:stream>",
    "H(evan@mac,) R (paused) C" },
  { "Gajim", STREAM_RESPONDER,
    "<?xml version='1.0' encoding='UTF-8'?><stream:stream xmlns=\"jabber:client\" "
    "xmlns:stream=\"http://etherx.jabber.org/streams\" version=\"1.0\" from=\"a@b\" to=\"romeo@forza\">"
    "<message xmlns=\"jabber:client\" to=\"romeo@forza\" type=\"chat\" id=\"5\"><body>now</body></message>",
    "H(a@b,romeo@forza,1.0) R \"now\"" },
  { "Gajim", STREAM_INITIATOR,
    "<?xml version='1.0' encoding='UTF-8'?><stream:stream xmlns=\"jabber:client\" "
    "xmlns:stream=\"http://etherx.jabber.org/streams\" version=\"1.0\" from=\"a@b\" to=\"romeo@forza\">"
    "<stream:features xmlns:stream=\"http://etherx.jabber.org/streams\"> </stream:features>",
    "H(a@b,romeo@forza,1.0) F R" },
  { "Kopete", STREAM_RESPONDER,
    "<?xml version='1.0' encoding='UTF-8'?>\n<stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' from='k@kde' to='romeo@forza'>\n"
    "<message to='romeo@forza' from='k@kde' type='chat'><body>plain</body><html "
    "xmlns='http://www.w3.org/1999/xhtml'>"
    "<body>plain</body></html><x xmlns='jabber:x:event'><composing/></x></message>"
    "<message to='romeo@forza' from='k@kde' type='chat'><body>1 < 2</body></message>",
    "H(k@kde,romeo@forza) R \"plain\" X(not-well-formed)" },
  { "Kopete, an ampersand", STREAM_INITIATOR,
    "<?xml version='1.0' encoding='UTF-8'?>\n<stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'><message><body>you & me</body></message>",
    "H(-,-) R X(not-well-formed)" },
  { "Swift", STREAM_RESPONDER,
    "<?xml version=\"1.0\"?><stream:stream xmlns=\"jabber:client\" "
    "xmlns:stream=\"http://etherx.jabber.org/streams\" "
    "from=\"kev@swift\" version=\"1.0\"><message from=\"kev@swift\" to=\"romeo@forza\" id=\"s1\" "
    "type=\"chat\"><body>hey"
    "</body><active xmlns=\"http://jabber.org/protocol/chatstates\"/></message><presence/></stream:stream>",
    "H(kev@swift,-,1.0) R \"hey\" (active) presence C" },
  { "Swift", STREAM_INITIATOR,
    "<?xml version=\"1.0\"?><stream:stream xmlns=\"jabber:client\" "
    "xmlns:stream=\"http://etherx.jabber.org/streams\" "
    "from=\"kev@swift\" version=\"1.0\"><stream:features></stream:features>"
    "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    "H(kev@swift,-,1.0) F R X(conflict by peer)" },
  { "prefixes and blanks", STREAM_INITIATOR,
    " <s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'\n xml:lang='en'>\r\n\r\n"
    "<c:message xmlns:c='jabber:client'><c:body><![CDATA[<&>]]></c:body></c:message>\n\n</s:stream>\n",
    "H(-,-) R \"<&>\" C" },
};

static const char *
or_dash (const char *text)
{
  return text != NULL ? text : "-";
}

static void
append_stanza (GString *out, const Node *node)
{
  g_autoptr (Stanza) stanza = stanza_parse (node);

  if (stanza->kind != STANZA_MESSAGE)
    g_string_append_printf (out, "%s ", node->name);
  if (stanza->body != NULL)
    g_string_append_printf (out, "\"%s\" ", stanza->body);
  if (stanza->state != CHAT_STATE_NONE)
    g_string_append_printf (out, "(%s) ", chat_state_name (stanza->state));
}

static void
on_event (Stream *stream, const Script *script, const StreamEvent *event, GString *out)
{
  switch (event->type)
    {
    case STREAM_HEADER:
      g_string_append_printf (out, "H(%s,%s%s) ", or_dash (stream_peer_from (stream)),
                              or_dash (stream_peer_to (stream)), stream_peer_is_1_0 (stream) ? ",1.0" : "");
      if (script->our_role == STREAM_RESPONDER)
        stream_accept (stream, "romeo@forza", stream_peer_from (stream));
      break;
    case STREAM_FEATURES:
      g_string_append (out, "F ");
      break;
    case STREAM_READY:
      g_string_append (out, "R ");
      break;
    case STREAM_STANZA:
      append_stanza (out, event->node);
      break;
    case STREAM_CLOSED:
      g_string_append (out, "C ");
      break;
    case STREAM_FAILED:
      g_string_append_printf (out, "X(%s%s) ", event->condition, event->by_peer ? " by peer" : "");
      break;
    }
}

static char *
play (const Script *script, guint slicing)
{
  g_autoptr (Stream) stream = stream_new (script->our_role, "romeo@forza", NULL);
  Slices slices = slices_new (slicing);
  GString *out = g_string_new (NULL);
  gsize at = 0, len = strlen (script->bytes);
  StreamEvent event;

  while (at < len)
    {
      gsize part = slices_next (&slices, len - at);

      stream_push (stream, script->bytes + at, part);
      at += part;
      while (stream_next (stream, &event))
        {
          on_event (stream, script, &event, out);
          node_free (event.node);
        }
    }
  slices_clear (&slices);
  return g_strchomp (g_string_free (out, FALSE));
}

static void
test_script (gconstpointer data)
{
  const Script *script = data;

  for (guint slicing = 0; slicing < SLICINGS; slicing++)
    {
      g_autofree char *events = play (script, slicing);

      g_assert_cmpstr (events, ==, script->events);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (scripts); i++)
    {
      const char *role = scripts[i].our_role == STREAM_INITIATOR ? "answers" : "opens";
      g_autofree char *path = g_strdup_printf ("/dialects/%s/%s", scripts[i].program, role);

      g_test_add_data_func (path, &scripts[i], test_script);
    }
  return g_test_run ();
}
