/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/jingle.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "transfer/filename.h"
#include "transfer/reason.h"
#include "xmpp/ns.h"

#define MTIME_FIRST (-62135596800) /* what a date of four digits can say: the years 1 to 9999 */
#define MTIME_LAST 253402300799

static const char *const actions[] = {
  [JINGLE_INITIATE] = "session-initiate",
  [JINGLE_ACCEPT] = "session-accept",
  [JINGLE_TERMINATE] = "session-terminate",
  [JINGLE_INFO] = "session-info",
  [JINGLE_TRANSPORT_INFO] = "transport-info",
  [JINGLE_TRANSPORT_REPLACE] = "transport-replace",
  [JINGLE_TRANSPORT_ACCEPT] = "transport-accept",
  [JINGLE_TRANSPORT_REJECT] = "transport-reject",
};

static const char *const conditions[] = { /* XEP-0166 7.4 */
  "alternative-session", "busy", "cancel", "connectivity-error", "decline", "expired", "failed-application",
  "failed-transport", "general-error", "gone", "incompatible-parameters", "media-error", "security-error", "success",
  "timeout", "unsupported-applications", "unsupported-transports",
};

static const struct
{
  JingleSays  says;
  const char *name;
  const char *ns;
} infos[] = {
  { JINGLE_SAYS_PAUSE, "pause", NS_BYTES },
  { JINGLE_SAYS_RESUME, "resume", NS_BYTES },
  { JINGLE_SAYS_CONNECT, "connect", NS_BYTES },
  { JINGLE_SAYS_RECEIVED, "received", NS_JINGLE_FILES },
};

static const struct
{
  const char *why;
  const char *condition;
} meanings[] = {
  { REASON_NONE, "success" },
  { REASON_PARTIAL, "success" },
  { REASON_DECLINED, "decline" },
  { REASON_BLOCKED, "decline" },
  { REASON_QUOTA, "decline" },
  { REASON_CANCELED, "cancel" },
  { REASON_EXPIRED, "expired" },
  { REASON_CONNECTION_LOST, "connectivity-error" },
  { REASON_STALLED, "timeout" },
  { REASON_UNENCRYPTED, "security-error" },
  { REASON_KEY_CHANGED, "security-error" },
  { REASON_NOT_SUPPORTED, "unsupported-applications" },
};

const char *
jingle_condition (const char *why)
{
  for (guint i = 0; i < G_N_ELEMENTS (meanings); i++)
    if (g_strcmp0 (why, meanings[i].why) == 0)
      return meanings[i].condition;
  return "failed-application";
}

/* Life ---------------------------------------------------------------------------------------------------- */

static void
free_file (gpointer data)
{
  JingleFile *file = data;

  g_free (file->name);
  g_free (file);
}

Jingle *
jingle_new (JingleAction action, const char *sid)
{
  Jingle *jingle = g_new0 (Jingle, 1);

  jingle->action = action;
  jingle->sid = g_strdup (sid);
  jingle->files = g_ptr_array_new_with_free_func (free_file);
  jingle->size = -1;
  jingle->why = REASON_NONE;
  return jingle;
}

void
jingle_free (Jingle *jingle)
{
  if (jingle == NULL)
    return;
  g_free (jingle->sid);
  g_free (jingle->initiator);
  g_free (jingle->name);
  g_free (jingle->inband_sid);
  g_free (jingle->text);
  g_ptr_array_unref (jingle->files);
  g_free (jingle);
}

void
jingle_add_file (Jingle *jingle, const char *name, gint64 size, gint64 mtime, gboolean folder)
{
  JingleFile *file = g_new0 (JingleFile, 1);

  file->name = filename_clean (name, -1);
  file->size = size;
  file->mtime = mtime;
  file->folder = folder;
  g_ptr_array_add (jingle->files, file);
}

/* Reading: values ----------------------------------------------------------------------------------------- */

/* Decimal digits only. @text NULL is fine: nothing is said, *@number stays. */
static gboolean
read_number (const char *text, guint64 most, guint64 *number)
{
  if (text == NULL)
    return TRUE;
  return g_ascii_string_to_unsigned (text, 10, 0, most, number, NULL);
}

static gboolean
read_size (const char *text, gint64 *size)
{
  guint64 number = 0;

  if (text == NULL || !read_number (text, G_MAXINT64, &number))
    return text == NULL;
  *size = (gint64) number;
  return TRUE;
}

/* An identifier, which is kept as it is or not at all. */
static gboolean
read_sid (const char *text, char **sid)
{
  g_autofree char *clean = text != NULL ? text_clean_line (text, -1, LIMIT_SID) : NULL;

  if (clean == NULL || *clean == '\0' || strcmp (clean, text) != 0)
    return FALSE;
  g_free (*sid);
  *sid = g_steal_pointer (&clean);
  return TRUE;
}

static char *
dup_line (const char *text, gsize most)
{
  return text != NULL ? text_clean_line (text, -1, most) : NULL;
}

static char *
dup_child_text (const Node *node, const char *name, const char *ns)
{
  const Node *child = node_child (node, name, ns);

  return child != NULL ? node_dup_text (child) : NULL;
}

static gboolean
read_id (const char *hex, Jingle *out)
{
  if (hex == NULL || strlen (hex) != 2 * JINGLE_ID)
    return FALSE;
  for (guint i = 0; i < JINGLE_ID; i++)
    {
      int high = g_ascii_xdigit_value (hex[2 * i]);
      int low = g_ascii_xdigit_value (hex[2 * i + 1]);

      if (high < 0 || low < 0)
        return FALSE;
      out->id[i] = (guint8) (high << 4 | low);
    }
  out->has_id = TRUE;
  return TRUE;
}

/* Reading: what is in a content --------------------------------------------------------------------------- */

static gboolean
parse_file (const Node *node, Jingle *out)
{
  g_autofree char *name = dup_child_text (node, "name", NS_JINGLE_FILES);
  g_autofree char *size_text = dup_child_text (node, "size", NS_JINGLE_FILES);
  g_autofree char *date = dup_child_text (node, "date", NS_JINGLE_FILES);
  gboolean         folder = node_child (node, "folder", NS_BYTES) != NULL;
  gint64           size = -1;
  gint64           time = 0;

  if (!read_size (size_text, &size) || out->files->len == LIMIT_OFFER_FILES)
    return FALSE;
  if (date == NULL || !text_parse_time (date, &time))
    time = 0;
  jingle_add_file (out, name != NULL ? name : "", size, time / G_USEC_PER_SEC, folder);
  return TRUE;
}

static gboolean
parse_batch (const Node *node, Jingle *out)
{
  out->tops = out->entries = out->n_files = out->files->len;
  return read_number (node_get (node, "tops"), LIMIT_ENTRIES, &out->tops)
         && read_number (node_get (node, "entries"), LIMIT_ENTRIES, &out->entries)
         && read_number (node_get (node, "files"), LIMIT_ENTRIES, &out->n_files)
         && read_size (node_get (node, "size"), &out->size) && out->files->len > 0 && out->tops >= out->files->len
         && out->entries >= out->tops && out->entries >= out->n_files;
}

/* What is named does not exceed the sum. */
static gboolean
check_sizes (const Jingle *jingle)
{
  guint64 sum = 0;

  for (guint i = 0; i < jingle->files->len; i++)
    {
      const JingleFile *file = g_ptr_array_index (jingle->files, i);

      if (file->size < 0 && jingle->size >= 0)
        return FALSE;
      sum += file->size > 0 ? (guint64) file->size : 0;
      if (jingle->size >= 0 && sum > (guint64) jingle->size)
        return FALSE;
    }
  return TRUE;
}

static gboolean
parse_description (const Node *node, Jingle *out)
{
  const Node *batch = node_child (node, "batch", NS_BYTES);

  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    {
      const Node *child = g_ptr_array_index (node->children, i);

      if (node_is (child, "file", NS_JINGLE_FILES) && !parse_file (child, out))
        return FALSE;
    }
  if (batch != NULL)
    return parse_batch (batch, out) && check_sizes (out);
  out->foreign = TRUE;
  return TRUE;
}

static gboolean
parse_transport (const Node *node, Jingle *out)
{
  guint64 block_size = 0;

  if (g_strcmp0 (node->ns, NS_BYTES) == 0)
    {
      out->via = JINGLE_VIA_BYTES;
      return node_get (node, "id") == NULL || read_id (node_get (node, "id"), out);
    }
  if (g_strcmp0 (node->ns, NS_JINGLE_IBB) != 0)
    {
      out->via = JINGLE_VIA_OTHER;
      return TRUE;
    }
  out->via = JINGLE_VIA_INBAND;
  if (!read_number (node_get (node, "block-size"), LIMIT_INBAND_BLOCK, &block_size) || block_size == 0)
    return FALSE;
  out->block_size = (guint) block_size;
  return read_sid (node_get (node, "sid"), &out->inband_sid);
}

static gboolean
parse_content (const Node *node, Jingle *out)
{
  const Node *description = node_child (node, "description", NULL);
  const Node *transport = node_child (node, "transport", NULL);
  const char *senders = node_get (node, "senders");

  out->name = dup_line (node_get (node, "name"), LIMIT_ID);
  if (out->action == JINGLE_INITIATE)
    {
      gboolean is_files = description != NULL && g_strcmp0 (description->ns, NS_JINGLE_FILES) == 0;

      out->foreign = !is_files || (senders != NULL && strcmp (senders, "initiator") != 0);
      if (!out->foreign && !parse_description (description, out))
        return FALSE;
    }
  return transport == NULL || parse_transport (transport, out);
}

static guint
count_contents (const Node *node)
{
  guint n = 0;

  for (guint i = 0; node->children != NULL && i < node->children->len; i++)
    if (node_is (g_ptr_array_index (node->children, i), "content", NS_JINGLE))
      n++;
  return n;
}

/* Reading: the rest --------------------------------------------------------------------------------------- */

static const char *
condition_of (const Node *reason)
{
  for (guint i = 0; i < G_N_ELEMENTS (conditions); i++)
    if (node_child (reason, conditions[i], NS_JINGLE) != NULL)
      return conditions[i];
  return "general-error";
}

static const char *
why_of (const Node *node)
{
  const char *word = node != NULL ? node_get (node, "why") : NULL;
  const char *known = word != NULL ? reason_known (word, -1) : NULL;

  return known != NULL ? known : REASON_NONE;
}

static void
parse_reason (const Node *node, Jingle *out)
{
  g_autofree char *text = dup_child_text (node, "text", NS_JINGLE);

  out->reason = condition_of (node);
  out->why = why_of (node_child (node, "detail", NS_BYTES));
  out->text = dup_line (text, LIMIT_STATUS_TEXT);
}

static void
parse_info (const Node *node, Jingle *out)
{
  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    {
      const Node *child = node_child (node, infos[i].name, infos[i].ns);

      if (child == NULL)
        continue;
      out->says = infos[i].says;
      if (out->says == JINGLE_SAYS_PAUSE)
        out->why = why_of (child);
      return;
    }
}

static JingleAction
action_from_name (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    if (g_strcmp0 (name, actions[i]) == 0)
      return (JingleAction) i;
  return JINGLE_OTHER;
}

Jingle *
jingle_parse (const Node *node)
{
  g_autoptr (Jingle) jingle = NULL;
  const Node *content, *reason;

  if (node == NULL || !node_is (node, "jingle", NS_JINGLE) || node_get (node, "action") == NULL)
    return NULL;
  jingle = jingle_new (action_from_name (node_get (node, "action")), NULL);
  if (!read_sid (node_get (node, "sid"), &jingle->sid))
    return NULL;
  jingle->initiator = dup_line (node_get (node, "initiator"), LIMIT_NAME);
  content = node_child (node, "content", NS_JINGLE);
  if (content != NULL && !parse_content (content, jingle))
    return NULL;
  if (jingle->action == JINGLE_INITIATE && count_contents (node) != 1)
    jingle->foreign = TRUE;
  reason = node_child (node, "reason", NS_JINGLE);
  if (reason != NULL)
    parse_reason (reason, jingle);
  if (jingle->action == JINGLE_INFO)
    parse_info (node, jingle);
  return g_steal_pointer (&jingle);
}

/* Writing ------------------------------------------------------------------------------------------------- */

static void
set_number (Node *node, const char *name, guint64 number)
{
  char text[24];

  g_snprintf (text, sizeof text, "%" G_GUINT64_FORMAT, number);
  node_set (node, name, text);
}

static void
build_file (Node *description, const JingleFile *file)
{
  Node *node = node_add (description, "file", NS_JINGLE_FILES);

  node_add_text_element (node, "name", NS_JINGLE_FILES, file->name);
  if (file->size >= 0)
    {
      g_autofree char *size = g_strdup_printf ("%" G_GINT64_FORMAT, file->size);

      node_add_text_element (node, "size", NS_JINGLE_FILES, size);
    }
  if (file->mtime != 0 && file->mtime >= MTIME_FIRST && file->mtime <= MTIME_LAST)
    {
      g_autofree char *date = text_format_time (file->mtime * G_USEC_PER_SEC);

      node_add_text_element (node, "date", NS_JINGLE_FILES, date);
    }
  if (file->folder)
    node_add (node, "folder", NS_BYTES);
}

static void
build_batch (Node *description, const Jingle *jingle)
{
  Node *batch = node_add (description, "batch", NS_BYTES);

  set_number (batch, "tops", jingle->tops);
  set_number (batch, "entries", jingle->entries);
  set_number (batch, "files", jingle->n_files);
  if (jingle->size >= 0)
    set_number (batch, "size", (guint64) jingle->size);
}

static void
build_description (Node *content, const Jingle *jingle)
{
  Node *description = node_add (content, "description", NS_JINGLE_FILES);

  if (jingle->action != JINGLE_INITIATE)
    return;
  for (guint i = 0; i < MIN (jingle->files->len, LIMIT_OFFER_FILES); i++)
    build_file (description, g_ptr_array_index (jingle->files, i));
  build_batch (description, jingle);
}

static void
set_id (Node *transport, const Jingle *jingle)
{
  char hex[2 * JINGLE_ID + 1];

  for (guint i = 0; i < JINGLE_ID; i++)
    g_snprintf (hex + 2 * i, 3, "%02x", jingle->id[i]);
  node_set (transport, "id", hex);
}

static void
build_transport (Node *content, const Jingle *jingle)
{
  Node *transport;

  switch (jingle->via)
    {
    case JINGLE_VIA_NONE:
    case JINGLE_VIA_OTHER:
      return;
    case JINGLE_VIA_BYTES:
      transport = node_add (content, "transport", NS_BYTES);
      if (jingle->has_id)
        set_id (transport, jingle);
      return;
    case JINGLE_VIA_INBAND:
      transport = node_add (content, "transport", NS_JINGLE_IBB);
      set_number (transport, "block-size", jingle->block_size);
      node_set (transport, "sid", jingle->inband_sid);
      return;
    }
}

static void
build_content (Node *node, const Jingle *jingle)
{
  Node *content = node_add (node, "content", NS_JINGLE);

  node_set (content, "creator", "initiator");
  node_set (content, "name", jingle->name != NULL ? jingle->name : "files");
  node_set (content, "senders", "initiator");
  if (jingle->action == JINGLE_INITIATE || jingle->action == JINGLE_ACCEPT)
    build_description (content, jingle);
  build_transport (content, jingle);
}

static void
set_why (Node *node, const char *why)
{
  if (why != NULL && *why != '\0')
    node_set (node, "why", why);
}

static void
build_reason (Node *node, const Jingle *jingle)
{
  Node *reason = node_add (node, "reason", NS_JINGLE);

  node_add (reason, jingle->reason != NULL ? jingle->reason : jingle_condition (jingle->why), NS_JINGLE);
  if (jingle->text != NULL)
    node_add_text_element (reason, "text", NS_JINGLE, jingle->text);
  if (jingle->why != NULL && *jingle->why != '\0')
    set_why (node_add (reason, "detail", NS_BYTES), jingle->why);
}

static void
build_info (Node *node, const Jingle *jingle)
{
  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    if (jingle->says == infos[i].says)
      {
        Node *info = node_add (node, infos[i].name, infos[i].ns);

        if (jingle->says == JINGLE_SAYS_PAUSE)
          set_why (info, jingle->why);
        if (jingle->says == JINGLE_SAYS_RECEIVED)
          {
            node_set (info, "creator", "initiator");
            node_set (info, "name", jingle->name != NULL ? jingle->name : "files");
          }
      }
}

Node *
jingle_build (const Jingle *jingle)
{
  Node *node = node_new ("jingle", NS_JINGLE);

  g_assert (jingle->action != JINGLE_OTHER);
  node_set (node, "action", actions[jingle->action]);
  node_set (node, "initiator", jingle->initiator);
  node_set (node, "sid", jingle->sid);
  if (jingle->action == JINGLE_INFO)
    build_info (node, jingle);
  else if (jingle->action == JINGLE_TERMINATE)
    build_reason (node, jingle);
  else
    build_content (node, jingle);
  return node;
}
