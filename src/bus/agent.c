/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/agent.h"

#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "bus/arguments.h"
#include "bus/service.h"
#include "bus/transfer-bus.h"

#define AGENT "org.hearby.Agent1"
#define DRIVER_NAME "org.freedesktop.DBus"

typedef struct
{
  Agents      *agents;
  guint64      serial; /* newer ones have larger ones */
  sd_bus      *bus;
  char        *owner;  /* its unique name; NULL on the private socket, where it is the connection */
  char        *path;
  sd_bus_slot *watch;
} Agent;

typedef struct
{
  Agents      *agents;
  guint64      transfer;
  Agent       *agent;  /* who is asked */
  sd_bus_slot *slot;
  gint64       asked;
} Question;

struct _Agents
{
  Messenger  *messenger;
  GPtrArray  *list;      /* Agent, the newest last */
  GHashTable *questions; /* id of a transfer → Question */
  guint64     serial;
};

static void ask_before (Agents *agents, Transfer *transfer, guint64 serial);

/* Questions ----------------------------------------------------------------------------------------------------------- */

static void
question_free (gpointer data)
{
  Question *question = data;

  sd_bus_slot_unref (question->slot);
  g_free (question);
}

static sd_bus_message *
agent_call (const Agent *agent, const char *member)
{
  sd_bus_message *message = NULL;

  if (sd_bus_message_new_method_call (agent->bus, &message, agent->owner, agent->path, AGENT, member) < 0)
    return NULL; /* its connection is closed, which the loop tells soon */
  return message;
}

/* Without an answer. @transfer 0: about none. */
static void
agent_tell (const Agent *agent, const char *member, guint64 transfer)
{
  g_autoptr (sd_bus_message) message = agent_call (agent, member);
  g_autofree char *path = call_transfer_path (transfer);

  if (message == NULL)
    return;
  if (transfer != 0)
    sd_bus_message_append (message, "o", path);
  sd_bus_message_append (message, "a{sv}", 0);
  sd_bus_message_set_expect_reply (message, 0);
  sd_bus_send (agent->bus, message, NULL);
}

static void
append_details (sd_bus_message *to, Messenger *messenger, const Transfer *transfer)
{
  g_autofree char *name = roster_dup_name (messenger_roster (messenger), transfer->peer);

  sd_bus_message_open_container (to, 'a', "{sv}");
  objects_append_entries (to, messenger, transfer_interface (), (Subject) { .transfer = (Transfer *) transfer }, G_MAXUINT);
  sd_bus_message_append (to, "{sv}", "PeerName", "s", name);
  sd_bus_message_append (to, "{sv}", "Trust", "s", peer_trust (transfer->peer));
  sd_bus_message_close_container (to);
}

/* Our user or the other side may have been faster, and it is not told yet. */
static gboolean
is_open (const Transfer *transfer)
{
  return transfer != NULL && transfer->row->state == TRANSFER_OFFERED;
}

/* The yes of @answer, or its no. What cannot be done stays as it is. */
static void
obey (Agents *agents, Transfer *transfer, GVariant *answer)
{
  g_autoptr (GVariant) accept = call_option (answer, "accept", G_VARIANT_TYPE_BOOLEAN);
  g_autofree char *folder = NULL;
  g_autoptr (GError) error = NULL;
  TransferTarget target;

  if (accept == NULL || !is_open (transfer))
    return;
  if (!g_variant_get_boolean (accept))
    transfers_reject (agents->messenger, transfer, &error);
  else if (transfer_read_target (answer, "fd", &folder, &target, &error))
    transfers_accept (agents->messenger, transfer, &target, &error);
  if (error != NULL)
    g_message ("an offer stays open, for it cannot be answered as the agent says: %s", error->message);
}

/* Whatever it said is wrong, as if it were not there; but who let so much time pass has shown it to somebody. */
static void
on_failed (Agents *agents, const Question *question, Transfer *transfer)
{
  if (g_get_monotonic_time () - question->asked >= LIMIT_AGENT_S * G_USEC_PER_SEC)
    agent_tell (question->agent, "Cancel", question->transfer);
  else
    ask_before (agents, transfer, question->agent->serial);
}

static int
on_answer (sd_bus_message *reply, void *user_data, sd_bus_error *unused)
{
  Question *question = user_data;
  Agents *agents = question->agents;
  Transfer *transfer = transfers_find (agents->messenger, question->transfer);
  gboolean failed = sd_bus_message_is_method_error (reply, NULL) != 0;
  g_autoptr (GVariant) answer = failed ? NULL : arguments_read (reply);

  g_hash_table_steal (agents->questions, &question->transfer);
  if (answer != NULL && g_variant_is_of_type (answer, G_VARIANT_TYPE ("(a{sv})")))
    {
      g_autoptr (GVariant) options = g_variant_get_child_value (answer, 0);

      obey (agents, transfer, options);
    }
  else
    on_failed (agents, question, transfer);
  question_free (question);
  return 1;
}

/* FALSE: it cannot be. */
static gboolean
ask (Agents *agents, Agent *agent, Transfer *transfer)
{
  g_autoptr (sd_bus_message) message = agent_call (agent, "AuthorizeTransfer");
  g_autofree char *path = call_transfer_path (transfer->row->id);
  Question *question;

  if (message == NULL)
    return FALSE;
  sd_bus_message_append (message, "o", path);
  append_details (message, agents->messenger, transfer);
  question = g_new0 (Question, 1);
  question->agents = agents;
  question->transfer = transfer->row->id;
  question->agent = agent;
  question->asked = g_get_monotonic_time ();
  if (sd_bus_call_async (agent->bus, &question->slot, message, on_answer, question, LIMIT_AGENT_S * G_USEC_PER_SEC) < 0)
    {
      question_free (question);
      return FALSE;
    }
  g_hash_table_replace (agents->questions, &question->transfer, question);
  return TRUE;
}

/* The newest of those before @serial that can be asked. */
static void
ask_before (Agents *agents, Transfer *transfer, guint64 serial)
{
  for (guint i = is_open (transfer) ? agents->list->len : 0; i-- > 0;)
    {
      Agent *agent = g_ptr_array_index (agents->list, i);

      if (agent->serial < serial && ask (agents, agent, transfer))
        return;
    }
}

static void
on_offer (Transfer *transfer, gpointer user_data)
{
  agents_settled (user_data, transfer->row->id); /* an answer to what it was before is none to what it is now */
  ask_before (user_data, transfer, G_MAXUINT64);
}

void
agents_settled (Agents *agents, guint64 transfer)
{
  const Question *question = g_hash_table_lookup (agents->questions, &transfer);

  if (question == NULL)
    return;
  agent_tell (question->agent, "Cancel", transfer);
  g_hash_table_remove (agents->questions, &transfer);
}

/* Agents ------------------------------------------------------------------------------------------------------------- */

static void
agent_free (gpointer data)
{
  Agent *agent = data;

  sd_bus_slot_unref (agent->watch);
  sd_bus_unref (agent->bus);
  g_free (agent->owner);
  g_free (agent->path);
  g_free (agent);
}

/* What it was asked goes to the one before it. */
static void
drop_agent (Agents *agents, Agent *agent)
{
  g_autoptr (GArray) orphans = g_array_new (FALSE, FALSE, sizeof (guint64));
  guint64 serial = agent->serial;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, agents->questions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Question *) value)->agent == agent)
      {
        g_array_append_val (orphans, ((Question *) value)->transfer);
        g_hash_table_iter_remove (&iter);
      }
  g_ptr_array_remove (agents->list, agent);
  for (guint i = 0; i < orphans->len; i++)
    ask_before (agents, transfers_find (agents->messenger, g_array_index (orphans, guint64, i)), serial);
}

/* Its name is nobody's any more. */
static int
on_owner_changed (sd_bus_message *signal, void *user_data, sd_bus_error *unused)
{
  Agent *agent = user_data;

  drop_agent (agent->agents, agent);
  return 0;
}

static int
on_watched (sd_bus_message *reply, void *user_data, sd_bus_error *unused)
{
  return 1; /* who cannot be watched is found out when he is asked */
}

static void
watch (Agent *agent)
{
  g_autofree char *rule = g_strdup_printf ("type='signal',sender='" DRIVER_NAME "',interface='" DRIVER_NAME
                                           "',member='NameOwnerChanged',arg0='%s',arg2=''", agent->owner);

  sd_bus_add_match_async (agent->bus, &agent->watch, rule, on_owner_changed, on_watched, agent);
}

static Agent *
find_agent (Agents *agents, const Call *call)
{
  sd_bus *bus = sd_bus_message_get_bus (call->message);
  const char *owner = sd_bus_message_get_sender (call->message);

  for (guint i = 0; i < agents->list->len; i++)
    {
      Agent *agent = g_ptr_array_index (agents->list, i);

      if (agent->bus == bus && g_strcmp0 (agent->owner, owner) == 0)
        return agent;
    }
  return NULL;
}

gboolean
agents_register (Agents *agents, const Call *call, const char *path, GError **error)
{
  Agent *agent = find_agent (agents, call);

  if (agent != NULL && g_str_equal (agent->path, path))
    return TRUE;
  if (agent != NULL || agents->list->len >= LIMIT_CLIENTS)
    {
      g_set_error (error, HEARBY_ERROR, agent != NULL ? HEARBY_ERROR_EXISTS : HEARBY_ERROR_FAILED,
                   agent != NULL ? "you have an agent already" : "there are too many agents");
      return FALSE;
    }
  agent = g_new0 (Agent, 1);
  agent->agents = agents;
  agent->serial = ++agents->serial;
  agent->bus = sd_bus_ref (sd_bus_message_get_bus (call->message));
  agent->owner = g_strdup (sd_bus_is_bus_client (agent->bus) > 0 ? sd_bus_message_get_sender (call->message) : NULL);
  agent->path = g_strdup (path);
  if (agent->owner != NULL)
    watch (agent);
  g_ptr_array_add (agents->list, agent);
  return TRUE;
}

gboolean
agents_unregister (Agents *agents, const Call *call, const char *path, GError **error)
{
  Agent *agent = find_agent (agents, call);

  if (agent == NULL || !g_str_equal (agent->path, path))
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "you have no agent %s", path);
      return FALSE;
    }
  drop_agent (agents, agent);
  return TRUE;
}

void
agents_forget (Agents *agents, sd_bus *bus)
{
  for (guint i = agents->list->len; i-- > 0;)
    {
      Agent *agent = g_ptr_array_index (agents->list, i);

      if (agent->bus == bus)
        drop_agent (agents, agent);
    }
}

void
agents_release (Agents *agents)
{
  transfers_set_agent (agents->messenger, NULL, NULL);
  g_hash_table_remove_all (agents->questions);
  for (guint i = 0; i < agents->list->len; i++)
    agent_tell (g_ptr_array_index (agents->list, i), "Release", 0);
  g_ptr_array_set_size (agents->list, 0);
}

Agents *
agents_new (Messenger *messenger)
{
  Agents *agents = g_new0 (Agents, 1);

  agents->messenger = messenger;
  agents->list = g_ptr_array_new_with_free_func (agent_free);
  agents->questions = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, question_free);
  transfers_set_agent (messenger, on_offer, agents);
  return agents;
}

void
agents_free (Agents *agents)
{
  g_ptr_array_unref (agents->list);
  g_hash_table_unref (agents->questions);
  g_free (agents);
}
