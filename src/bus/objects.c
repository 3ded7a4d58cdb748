/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "bus/api.h"
#include "bus/arguments.h"
#include "bus/service.h"

/* Objects are looked up when somebody asks: a path is a peer, tables and the definition say what can be asked of it. */

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"

static const Interface *
find_object (Messenger *messenger, const char *path, Peer **peer, Transfer **transfer)
{
  static const struct
  {
    const char *folder;
    const Interface *(*interface) (void);
  } folders[] = { { BUS_PEERS "/", peer_interface }, { BUS_CONVERSATIONS "/", conversation_interface } };

  *peer = NULL;
  *transfer = NULL;
  if (g_str_equal (path, BUS_ROOT))
    return manager_interface ();
  if (g_str_has_prefix (path, BUS_TRANSFERS "/"))
    {
      *transfer = call_transfer_of_node (messenger, path + strlen (BUS_TRANSFERS "/"));
      return *transfer != NULL ? transfer_interface () : NULL;
    }
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    if (g_str_has_prefix (path, folders[i].folder))
      {
        *peer = call_peer_of_node (messenger, path + strlen (folders[i].folder));
        return *peer != NULL ? folders[i].interface () : NULL;
      }
  return NULL;
}

/* Properties ------------------------------------------------------------------------------------------------------- */

static void
append_value (sd_bus_message *to, Messenger *messenger, const Interface *interface, const PropertyRow *row, Subject subject)
{
  sd_bus_message_open_container (to, 'v', g_dbus_interface_info_lookup_property (interface->info, row->name)->signature);
  if (row->append_transfer != NULL)
    row->append_transfer (to, subject.transfer);
  else
    row->append (to, messenger, subject.peer);
  sd_bus_message_close_container (to);
}

void
objects_append_entries (sd_bus_message *to, Messenger *messenger, const Interface *interface, Subject subject, guint changes)
{
  for (const PropertyRow *row = interface->properties; row->name != NULL; row++)
    if (changes == G_MAXUINT || (row->changes & changes) != 0)
      {
        sd_bus_message_open_container (to, 'e', "sv");
        sd_bus_message_append (to, "s", row->name);
        append_value (to, messenger, interface, row, subject);
        sd_bus_message_close_container (to);
      }
}

void
objects_append_properties (sd_bus_message *to, Messenger *messenger, const Interface *interface, Subject subject, guint changes)
{
  sd_bus_message_open_container (to, 'a', "{sv}");
  objects_append_entries (to, messenger, interface, subject, changes);
  sd_bus_message_close_container (to);
}

void
objects_append_interfaces (sd_bus_message *to, Messenger *messenger, const Interface *interface, Subject subject)
{
  sd_bus_message_open_container (to, 'a', "{sa{sv}}");
  sd_bus_message_open_container (to, 'e', "sa{sv}");
  sd_bus_message_append (to, "s", interface->info->name);
  objects_append_properties (to, messenger, interface, subject, G_MAXUINT);
  sd_bus_message_close_container (to);
  sd_bus_message_close_container (to);
}

static Subject
subject_of (const Call *call)
{
  return (Subject) { call->peer, call->transfer };
}

/* The property that a Get or Set is about; refused where there is none. */
static const PropertyRow *
find_property (const Call *call, const Interface *object)
{
  const char *interface, *name;

  if (sd_bus_message_read (call->message, "ss", &interface, &name) <= 0)
    call_refuse (call, SD_BUS_ERROR_INVALID_ARGS, "the arguments are malformed");
  else if (!g_str_equal (interface, object->info->name))
    call_refuse (call, SD_BUS_ERROR_UNKNOWN_INTERFACE, "there is no interface %s here", interface);
  else
    {
      for (const PropertyRow *row = object->properties; row->name != NULL; row++)
        if (g_str_equal (row->name, name))
          return row;
      call_refuse (call, SD_BUS_ERROR_UNKNOWN_PROPERTY, "%s has no property %s", interface, name);
    }
  return NULL;
}

static void
handle_get (const Call *call, const Interface *object)
{
  const PropertyRow *row = find_property (call, object);
  sd_bus_message *answer;

  if (row == NULL)
    return;
  answer = call_answer (call);
  append_value (answer, call->messenger, object, row, subject_of (call));
  call_reply (call, answer);
}

static void
handle_set (const Call *call, const Interface *object)
{
  const PropertyRow *row = find_property (call, object);

  if (row != NULL)
    call_refuse (call, SD_BUS_ERROR_PROPERTY_READ_ONLY, "%s can only be read", row->name);
}

static void
handle_get_all (const Call *call, const Interface *object)
{
  sd_bus_message *answer;
  const char *interface;

  if (sd_bus_message_read (call->message, "s", &interface) <= 0 || !g_str_equal (interface, object->info->name))
    {
      call_refuse (call, SD_BUS_ERROR_UNKNOWN_INTERFACE, "there is no such interface here");
      return;
    }
  answer = call_answer (call);
  objects_append_properties (answer, call->messenger, object, subject_of (call), G_MAXUINT);
  call_reply (call, answer);
}

/* What there is ------------------------------------------------------------------------------------------------------ */

static gboolean
is_root (const Call *call)
{
  return call->peer == NULL && call->transfer == NULL;
}

static void
append_object (sd_bus_message *to, Messenger *messenger, char *taken_path, const Interface *interface, Subject subject)
{
  g_autofree char *path = taken_path;

  sd_bus_message_open_container (to, 'e', "oa{sa{sv}}");
  sd_bus_message_append (to, "o", path);
  objects_append_interfaces (to, messenger, interface, subject);
  sd_bus_message_close_container (to);
}

static void
append_peers (sd_bus_message *to, Messenger *messenger)
{
  GPtrArray *peers = roster_peers (messenger_roster (messenger));

  for (guint i = 0; i < peers->len; i++)
    {
      Subject subject = { .peer = g_ptr_array_index (peers, i) };

      append_object (to, messenger, call_peer_path (subject.peer->row->id), peer_interface (), subject);
      append_object (to, messenger, call_conversation_path (subject.peer->row->id), conversation_interface (), subject);
    }
}

static void
append_transfers (sd_bus_message *to, Messenger *messenger)
{
  GPtrArray *transfers = transfers_all (messenger);

  for (guint i = 0; i < transfers->len; i++)
    {
      Subject subject = { .transfer = g_ptr_array_index (transfers, i) };

      append_object (to, messenger, call_transfer_path (subject.transfer->row->id), transfer_interface (), subject);
    }
}

static void
handle_get_managed_objects (const Call *call, const Interface *object)
{
  sd_bus_message *answer;

  if (!is_root (call))
    {
      call_refuse (call, SD_BUS_ERROR_UNKNOWN_INTERFACE, "only " BUS_ROOT " lists objects");
      return;
    }
  answer = call_answer (call);
  sd_bus_message_open_container (answer, 'a', "{oa{sa{sv}}}");
  append_peers (answer, call->messenger);
  append_transfers (answer, call->messenger);
  sd_bus_message_close_container (answer);
  call_reply (call, answer);
}

static const char standard_xml[]
    = "  <interface name='" PROPERTIES "'>\n"
      "    <method name='Get'><arg name='interface' type='s' direction='in'/><arg name='name' type='s' direction='in'/>"
      "<arg name='value' type='v' direction='out'/></method>\n"
      "    <method name='GetAll'><arg name='interface' type='s' direction='in'/>"
      "<arg name='properties' type='a{sv}' direction='out'/></method>\n"
      "    <method name='Set'><arg name='interface' type='s' direction='in'/><arg name='name' type='s' direction='in'/>"
      "<arg name='value' type='v' direction='in'/></method>\n"
      "    <signal name='PropertiesChanged'><arg name='interface' type='s'/><arg name='changed' type='a{sv}'/>"
      "<arg name='invalidated' type='as'/></signal>\n"
      "  </interface>\n"
      "  <interface name='" INTROSPECTABLE "'>\n"
      "    <method name='Introspect'><arg name='xml' type='s' direction='out'/></method>\n"
      "  </interface>\n"
      "  <interface name='org.freedesktop.DBus.Peer'>\n"
      "    <method name='Ping'/>\n"
      "    <method name='GetMachineId'><arg name='id' type='s' direction='out'/></method>\n"
      "  </interface>\n";

static const char object_manager_xml[]
    = "  <interface name='" OBJECT_MANAGER "'>\n"
      "    <method name='GetManagedObjects'><arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>\n"
      "    <signal name='InterfacesAdded'><arg name='object' type='o'/><arg name='interfaces' type='a{sa{sv}}'/></signal>\n"
      "    <signal name='InterfacesRemoved'><arg name='object' type='o'/><arg name='interfaces' type='as'/></signal>\n"
      "  </interface>\n";

static void
write_node (GString *xml, const char *path)
{
  g_string_append_printf (xml, "  <node name='%s'/>\n", strrchr (path, '/') + 1);
}

/* What is in one of our folders. */
static void
write_contents (GString *xml, Messenger *messenger, const char *folder)
{
  gboolean of_transfers = g_str_equal (folder, BUS_TRANSFERS);
  GPtrArray *things = of_transfers ? transfers_all (messenger) : roster_peers (messenger_roster (messenger));

  for (guint i = 0; i < things->len; i++)
    {
      gpointer thing = g_ptr_array_index (things, i);
      g_autofree char *path = of_transfers ? call_transfer_path (((Transfer *) thing)->row->id) : call_peer_path (((Peer *) thing)->row->id);

      write_node (xml, path);
    }
}

/* The next part of the paths of our folders below @path, and what is in one of them. FALSE: there is nothing. */
static gboolean
write_children (GString *xml, Messenger *messenger, const char *path)
{
  static const char *const folders[] = { BUS_PEERS, BUS_CONVERSATIONS, BUS_TRANSFERS };
  g_autofree char *below = g_str_equal (path, "/") ? g_strdup (path) : g_strconcat (path, "/", NULL);
  g_autofree char *last = NULL;
  gboolean any = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      const char *name = g_str_has_prefix (folders[i], below) ? folders[i] + strlen (below) : NULL;
      g_autofree char *part = name != NULL ? g_strndup (name, strcspn (name, "/")) : NULL;

      if (part != NULL && g_strcmp0 (part, last) != 0)
        g_string_append_printf (xml, "  <node name='%s'/>\n", part);
      if (g_str_equal (path, folders[i]))
        write_contents (xml, messenger, path);
      any |= part != NULL || g_str_equal (path, folders[i]);
      g_free (last);
      last = g_steal_pointer (&part);
    }
  return any;
}

static void
introspect (const Call *call, const Interface *object)
{
  const char *path = sd_bus_message_get_path (call->message);
  g_autoptr (GString) xml = g_string_new ("<node>\n");
  sd_bus_message *answer;

  if (object != NULL)
    {
      g_string_append (xml, standard_xml);
      if (is_root (call))
        g_string_append (xml, object_manager_xml);
      g_dbus_interface_info_generate_xml (object->info, 2, xml);
    }
  if (!write_children (xml, call->messenger, path) && object == NULL)
    {
      call_refuse (call, SD_BUS_ERROR_UNKNOWN_OBJECT, "there is no object %s", path);
      return;
    }
  g_string_append (xml, "</node>\n");
  answer = call_answer (call);
  sd_bus_message_append (answer, "s", xml->str);
  call_reply (call, answer);
}

/* Calls --------------------------------------------------------------------------------------------------------------- */

static gboolean
has_signature (sd_bus_message *message, GDBusArgInfo **arguments)
{
  const char *rest = sd_bus_message_get_signature (message, TRUE);

  for (; arguments != NULL && *arguments != NULL; arguments++)
    {
      if (!g_str_has_prefix (rest, (*arguments)->signature))
        return FALSE;
      rest += strlen ((*arguments)->signature);
    }
  return *rest == '\0';
}

static void
call_method (Call *call, const MethodRow *row)
{
  g_autoptr (GVariant) arguments = row->reads ? NULL : arguments_read (call->message);
  g_autofree char *unknown = arguments != NULL ? call_find_unknown_demand (arguments, row->options) : NULL;

  call->arguments = arguments;
  if (arguments == NULL && !row->reads)
    call_refuse_arguments (call);
  else if (unknown != NULL)
    call_refuse_option (call, row->name, unknown);
  else
    row->handle (call);
}

static void
handle_own (Call *call, const Interface *object, const char *member)
{
  const MethodRow *row = object->methods;

  while (row->name != NULL && !g_str_equal (row->name, member))
    row++;
  if (row->name == NULL)
    call_refuse (call, SD_BUS_ERROR_UNKNOWN_METHOD, "%s has no method %s", object->info->name, member);
  else if (!has_signature (call->message, g_dbus_interface_info_lookup_method (object->info, member)->in_args))
    call_refuse (call, SD_BUS_ERROR_INVALID_ARGS, "%s does not take '%s'", member,
                 sd_bus_message_get_signature (call->message, TRUE));
  else
    call_method (call, row);
}

/* What every object has. TRUE: answered. */
static gboolean
handle_standard (const Call *call, const Interface *object, const char *interface, const char *member)
{
  static const struct
  {
    const char *interface, *member, *signature;
    void (*handle) (const Call *call, const Interface *object);
  } rows[] = {
    { PROPERTIES, "Get", "ss", handle_get },
    { PROPERTIES, "GetAll", "s", handle_get_all },
    { PROPERTIES, "Set", "ssv", handle_set },
    { OBJECT_MANAGER, "GetManagedObjects", "", handle_get_managed_objects },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      if (!g_str_equal (rows[i].interface, interface) || !g_str_equal (rows[i].member, member))
        continue;
      if (sd_bus_message_has_signature (call->message, rows[i].signature) > 0)
        rows[i].handle (call, object);
      else
        call_refuse (call, SD_BUS_ERROR_INVALID_ARGS, "%s takes '%s'", member, rows[i].signature);
      return TRUE;
    }
  return FALSE;
}

int
objects_handle (sd_bus_message *message, void *service, sd_bus_error *unused)
{
  Call call = { service, service_messenger (service), NULL, NULL, NULL, message };
  const char *path = sd_bus_message_get_path (message);
  const char *interface = sd_bus_message_get_interface (message);
  const char *member = sd_bus_message_get_member (message);
  const Interface *object = find_object (call.messenger, path, &call.peer, &call.transfer);

  if (interface == NULL)
    call_refuse (&call, SD_BUS_ERROR_UNKNOWN_INTERFACE, "a call needs an interface");
  else if (g_str_equal (interface, INTROSPECTABLE) && g_str_equal (member, "Introspect"))
    introspect (&call, object);
  else if (object == NULL)
    call_reply_error (&call, g_error_new (HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND, "there is no object %s", path));
  else if (g_str_equal (interface, object->info->name))
    handle_own (&call, object, member);
  else if (!handle_standard (&call, object, interface, member))
    call_refuse (&call, SD_BUS_ERROR_UNKNOWN_METHOD, "%s has no method %s.%s", path, interface, member);
  return 1;
}
