/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/roster.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "net/addresses.h"
#include "presence/name.h"

#define SELF "self"
#define FINGERPRINT_PREFIX 8 /* characters, hyphens not counted */

struct _Roster
{
  Database   *db;
  GPtrArray  *peers;    /* Peer, owned, ordered by id */
  GHashTable *by_id;    /* gint64* → Peer */
  GHashTable *by_name;  /* folded instance → GPtrArray of Peer: one without a key at most, and any number with */
  GHashTable *by_short; /* folded short name → GPtrArray of Peer */
  GPtrArray  *aliases;  /* Alias */
  Peer       *self;
  gint64      last_id;  /* given; also to one whose row was rolled back, so that no other gets it, and his messages with it */
};

static void
index_add (GHashTable *index, const char *name, Peer *peer)
{
  GPtrArray *same = g_hash_table_lookup (index, name);

  if (same == NULL)
    {
      same = g_ptr_array_new ();
      g_hash_table_insert (index, g_strdup (name), same);
    }
  g_ptr_array_add (same, peer);
}

static void
index_remove (GHashTable *index, const char *name, Peer *peer)
{
  GPtrArray *same = g_hash_table_lookup (index, name);

  if (same != NULL)
    g_ptr_array_remove (same, peer);
  if (same != NULL && same->len == 0)
    g_hash_table_remove (index, name);
}

static void
index_peer (Roster *roster, Peer *peer)
{
  if (peer->folded == NULL)
    return;
  index_add (roster->by_name, peer->folded, peer);
  index_add (roster->by_short, peer->short_folded, peer);
}

static void
unindex_peer (Roster *roster, Peer *peer)
{
  if (peer->folded == NULL)
    return;
  index_remove (roster->by_name, peer->folded, peer);
  index_remove (roster->by_short, peer->short_folded, peer);
}

static Peer *
take_row (Roster *roster, PeerRow *row)
{
  Peer *peer = peer_new (row);

  g_ptr_array_add (roster->peers, peer);
  g_hash_table_insert (roster->by_id, &peer->row->id, peer);
  index_peer (roster, peer);
  return peer;
}

/* An alias of one peer alone is that peer's name. */
static void
apply_aliases (Roster *roster)
{
  for (guint i = 0; i < roster->peers->len; i++)
    g_clear_pointer (&((Peer *) g_ptr_array_index (roster->peers, i))->alias, g_free);
  for (guint i = 0; i < roster->aliases->len; i++)
    {
      const Alias *alias = g_ptr_array_index (roster->aliases, i);
      Peer *peer = alias->peers->len == 1 ? roster_by_id (roster, g_array_index (alias->peers, gint64, 0)) : NULL;

      if (peer != NULL && peer->alias == NULL)
        peer->alias = g_strdup (alias->name);
    }
}

static gboolean
load (Roster *roster, GError **error)
{
  g_autoptr (GPtrArray) rows = peers_load (roster->db, error);

  if (rows == NULL)
    return FALSE;
  g_ptr_array_set_free_func (rows, NULL);
  for (guint i = 0; i < rows->len; i++)
    {
      PeerRow *row = g_ptr_array_index (rows, i);
      Peer *peer = take_row (roster, row);

      peer->is_self = g_strcmp0 (row->address, SELF) == 0;
      if (peer->is_self)
        roster->self = peer;
      peer->unread = messages_unread (roster->db, row->id);
      peer->queued = outbox_count (roster->db, row->id);
      peer->last_seq = messages_last_seq (roster->db, row->id);
      peer->written_to = row->plaintext == PLAINTEXT_ALLOW || messages_written_to (roster->db, row->id);
    }
  roster->aliases = aliases_load (roster->db, error);
  if (roster->aliases == NULL)
    return FALSE;
  apply_aliases (roster);
  if (roster->self == NULL)
    {
      roster->self = roster_add (roster, NULL, SELF, NULL, error);
      if (roster->self == NULL)
        return FALSE;
      roster->self->is_self = TRUE;
    }
  return TRUE;
}

Roster *
roster_new (Database *db, GError **error)
{
  Roster *roster = g_new0 (Roster, 1);

  roster->db = db;
  roster->last_id = peers_last_id (db);
  roster->peers = g_ptr_array_new_with_free_func ((GDestroyNotify) peer_free);
  roster->by_id = g_hash_table_new (g_int64_hash, g_int64_equal);
  roster->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  roster->by_short
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  if (!load (roster, error))
    g_clear_pointer (&roster, roster_free);
  return roster;
}

void
roster_free (Roster *roster)
{
  if (roster == NULL)
    return;
  g_hash_table_unref (roster->by_short);
  g_hash_table_unref (roster->by_name);
  g_hash_table_unref (roster->by_id);
  g_ptr_array_unref (roster->peers);
  g_clear_pointer (&roster->aliases, g_ptr_array_unref);
  g_free (roster);
}

Peer *
roster_by_id (Roster *roster, gint64 id)
{
  return g_hash_table_lookup (roster->by_id, &id);
}

GPtrArray *
roster_named (Roster *roster, const char *instance)
{
  g_autofree char *folded = name_fold (instance);

  return g_hash_table_lookup (roster->by_name, folded);
}

/* Whose a name is: his to whom the user bound it, then his whom the user knows, then his who proved a key, then anybody's. */
static int
claim_of (const Peer *peer)
{
  if (peer_is_pinned (peer) || (peer->row->key != NULL && peer->row->blocked))
    return 4;
  if (peer->row->key == NULL && (peer->written_to || peer->row->plaintext == PLAINTEXT_ALLOW || peer->row->blocked))
    return 3;
  return peer->row->key != NULL ? 2 : 1;
}

static Peer *
best_named (Roster *roster, const char *instance, gboolean keyed_first)
{
  GPtrArray *same = roster_named (roster, instance);
  Peer *best = NULL;

  for (guint i = 0; same != NULL && i < same->len; i++)
    {
      Peer *peer = g_ptr_array_index (same, i);
      gboolean keyed = peer->row->key != NULL;

      if (best == NULL)
        best = peer;
      else if (keyed_first && keyed != (best->row->key != NULL))
        best = keyed ? peer : best;
      else if (claim_of (peer) != claim_of (best))
        best = claim_of (peer) > claim_of (best) ? peer : best;
      else if (peer->confirmed != best->confirmed)
        best = peer->confirmed ? peer : best;
      else if (peer->row->last_seen > best->row->last_seen)
        best = peer;
    }
  return best;
}

Peer *
roster_by_instance (Roster *roster, const char *instance)
{
  return best_named (roster, instance, FALSE);
}

Peer *
roster_for_record (Roster *roster, const char *instance, gboolean encrypts)
{
  return best_named (roster, instance, encrypts);
}

Peer *
roster_in_clear (Roster *roster, const char *instance)
{
  GPtrArray *same = roster_named (roster, instance);

  for (guint i = 0; same != NULL && i < same->len; i++)
    if (((Peer *) g_ptr_array_index (same, i))->row->key == NULL)
      return g_ptr_array_index (same, i);
  return NULL;
}

Peer *
roster_by_key (Roster *roster, const guint8 key[PEER_KEY])
{
  for (guint i = 0; i < roster->peers->len; i++)
    if (peer_has_key (g_ptr_array_index (roster->peers, i), key))
      return g_ptr_array_index (roster->peers, i);
  return NULL;
}

Peer *
roster_self (Roster *roster)
{
  return roster->self;
}

GPtrArray *
roster_peers (Roster *roster)
{
  return roster->peers;
}

/* Nobody would miss it: it was seen, and that is all. */
static gboolean
is_unused (const Peer *peer)
{
  return !peer_is_online (peer) && peer->sessions->len == 0 && peer->last_seq == 0 && peer->alias == NULL
         && peer->row->address == NULL && !peer->row->blocked && peer->row->plaintext == PLAINTEXT_ASK
         && peer->row->encryption == ENCRYPTION_DEFAULT && !peer_is_pinned (peer) && peer->row->claim == NULL;
}

static gboolean
is_in_group (Roster *roster, const Peer *peer)
{
  for (guint i = 0; i < roster->aliases->len; i++)
    {
      const Alias *alias = g_ptr_array_index (roster->aliases, i);

      for (guint k = 0; k < alias->peers->len; k++)
        if (g_array_index (alias->peers, gint64, k) == peer->row->id)
          return TRUE;
    }
  return FALSE;
}

/* Anybody can make keys: those that nobody acted on have a bound of their own. */
static guint
count_strangers (Roster *roster)
{
  guint n = 0;

  for (guint i = 0; i < roster->peers->len; i++)
    {
      const Peer *peer = g_ptr_array_index (roster->peers, i);

      n += peer->row->key != NULL && peer->row->trust == TRUST_NEW;
    }
  return n;
}

Peer *
roster_superfluous (Roster *roster)
{
  gboolean full = roster->peers->len >= LIMIT_PEERS;
  gboolean strangers = count_strangers (roster) >= LIMIT_NEW_KEYS;
  Peer *oldest = NULL;

  for (guint i = 0; (full || strangers) && i < roster->peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (roster->peers, i);

      if ((full || peer->row->key != NULL) && is_unused (peer) && !is_in_group (roster, peer)
          && (oldest == NULL || peer->row->last_seen < oldest->row->last_seen))
        oldest = peer;
    }
  return oldest;
}

Peer *
roster_add (Roster *roster, const char *instance, const char *address, const guint8 *key, GError **error)
{
  g_autoptr (PeerRow) row = peer_row_new ();

  if (instance != NULL && roster->peers->len >= LIMIT_PEERS)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NO_SPACE, "%d peers are the most", LIMIT_PEERS);
      return NULL;
    }
  row->id = roster->last_id + 1;
  row->instance = g_strdup (instance);
  row->address = g_strdup (address);
  row->key = key != NULL ? g_bytes_new (key, PEER_KEY) : NULL;
  if (!peers_restore (roster->db, row, error))
    return NULL;
  roster->last_id = row->id;
  return take_row (roster, g_steal_pointer (&row));
}

gboolean
roster_rename (Roster *roster, Peer *peer, const char *instance, GError **error)
{
  Peer *other = peer->row->key == NULL ? roster_in_clear (roster, instance) : NULL;

  if (other != NULL && other != peer)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_EXISTS, "another peer is called '%s'", instance);
      return FALSE;
    }
  unindex_peer (roster, peer);
  peer_rename (peer, instance);
  index_peer (roster, peer);
  return roster_save (roster, peer, error);
}

gboolean
roster_save (Roster *roster, Peer *peer, GError **error)
{
  return peers_save (roster->db, peer->row, error);
}

gboolean
roster_restore (Roster *roster, Peer *peer, GError **error)
{
  return peers_restore (roster->db, peer->row, error);
}

static gboolean
drop (Roster *roster, Peer *peer, GError **error)
{
  g_autoptr (GPtrArray) aliases = NULL;

  aliases = aliases_load (roster->db, error);
  if (aliases == NULL)
    return FALSE;
  unindex_peer (roster, peer);
  g_hash_table_remove (roster->by_id, &peer->row->id);
  g_ptr_array_remove (roster->peers, peer);
  g_ptr_array_unref (roster->aliases);
  roster->aliases = g_steal_pointer (&aliases);
  apply_aliases (roster);
  return TRUE;
}

gboolean
roster_remove (Roster *roster, Peer *peer, GError **error)
{
  return peers_forget (roster->db, peer->row->id, error) && drop (roster, peer, error);
}

gboolean
roster_merge (Roster *roster, Peer *peer, Peer *into, GError **error)
{
  return peers_merge (roster->db, peer->row->id, into->row->id, error) && drop (roster, peer, error);
}

/* Finding ------------------------------------------------------------------------------------------------- */

static GPtrArray *
just (Peer *peer)
{
  GPtrArray *found = g_ptr_array_new ();

  if (peer != NULL)
    g_ptr_array_add (found, peer);
  return found;
}

static GPtrArray *
find_alias (Roster *roster, const char *spec)
{
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; i < roster->aliases->len; i++)
    {
      const Alias *alias = g_ptr_array_index (roster->aliases, i);

      for (guint k = 0; name_equal (alias->name, spec) && k < alias->peers->len; k++)
        {
          Peer *peer = roster_by_id (roster, g_array_index (alias->peers, gint64, k));

          if (peer != NULL)
            g_ptr_array_add (found, peer);
        }
    }
  return found;
}

static gboolean
is_allowed (const Peer *peer)
{
  return peer->row->plaintext == PLAINTEXT_ALLOW || peer_is_pinned (peer);
}

static gboolean
is_any (const Peer *peer)
{
  return TRUE;
}

static GPtrArray *
find_short (Roster *roster, const char *spec, gboolean (*matches) (const Peer *))
{
  g_autofree char *folded = name_fold (spec);
  GPtrArray *same = g_hash_table_lookup (roster->by_short, folded);
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; same != NULL && i < same->len; i++)
    {
      Peer *peer = g_ptr_array_index (same, i);
      Peer *owner = roster_by_instance (roster, peer->row->instance); /* of two with one name, one known in clear, he is meant */

      if (matches (peer) && (owner == peer || !matches (owner)))
        g_ptr_array_add (found, peer);
    }
  return found;
}

static GPtrArray *
find_address (Roster *roster, const char *spec)
{
  g_autofree char *address = addresses_normalize (spec, PEER_DEFAULT_PORT);

  for (guint i = 0; address != NULL && i < roster->peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (roster->peers, i);

      if (!peer->is_self && g_strcmp0 (peer->row->address, address) == 0)
        return just (peer);
    }
  return just (NULL);
}

static gboolean
starts_fingerprint (const char *fingerprint, const char *spec)
{
  guint n = 0;

  for (; *spec != '\0'; spec++)
    {
      if (*spec == '-' || *spec == ' ')
        continue;
      while (*fingerprint == '-')
        fingerprint++;
      if (*fingerprint == '\0' || g_ascii_tolower (*spec) != *fingerprint)
        return FALSE;
      fingerprint++;
      n++;
    }
  return n >= FINGERPRINT_PREFIX;
}

static GPtrArray *
find_fingerprint (Roster *roster, const char *spec)
{
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; i < roster->peers->len; i++)
    {
      Peer *peer = g_ptr_array_index (roster->peers, i);

      if (peer->row->key != NULL && starts_fingerprint (peer->fingerprint, spec))
        g_ptr_array_add (found, peer);
    }
  return found;
}

static GPtrArray *
refuse_ambiguous (GPtrArray *found, const char *spec, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < found->len && i < 8; i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "",
                            ((Peer *) g_ptr_array_index (found, i))->row->instance);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_AMBIGUOUS, "'%s' may be any of %u peers\nsay which: %s", spec,
               found->len, names->str);
  g_ptr_array_unref (found);
  return NULL;
}

GPtrArray *
roster_find (Roster *roster, const char *spec, GError **error)
{
  static gboolean (*const short_rules[]) (const Peer *) = { is_allowed, peer_is_online, is_any };
  GPtrArray *found = find_alias (roster, spec);

  if (found->len > 0)
    return found;
  g_ptr_array_unref (found);
  if (name_equal (spec, SELF))
    return just (roster->self);
  found = find_fingerprint (roster, spec);
  if (found->len == 1)
    return found;
  if (found->len > 1)
    return refuse_ambiguous (found, spec, error);
  g_ptr_array_unref (found);
  if (roster_by_instance (roster, spec) != NULL)
    return just (roster_by_instance (roster, spec));
  for (guint i = 0; i < G_N_ELEMENTS (short_rules); i++)
    {
      found = find_short (roster, spec, short_rules[i]);
      if (found->len == 1)
        return found;
      if (found->len > 1)
        return refuse_ambiguous (found, spec, error);
      g_ptr_array_unref (found);
    }
  found = find_address (roster, spec);
  if (found->len > 0)
    return found;
  g_ptr_array_unref (found);
  g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_NOT_FOUND,
               "no peer is called '%s'\n'hearby peers' lists who is on the link", spec);
  return NULL;
}

static gboolean
finds_only (Roster *roster, const char *name, const Peer *peer)
{
  g_autoptr (GPtrArray) found = roster_find (roster, name, NULL);

  return found != NULL && found->len == 1 && g_ptr_array_index (found, 0) == peer;
}

char *
roster_dup_name (Roster *roster, const Peer *peer)
{
  g_autofree char *user = NULL;

  if (peer->is_self)
    return g_strdup (SELF);
  if (peer->alias != NULL)
    return g_strdup (peer->alias);
  if (peer->row->instance == NULL)
    return g_strdup (peer->row->address != NULL ? peer->row->address : "");
  user = name_dup_user (peer->row->instance);
  if (*user != '\0' && finds_only (roster, user, peer))
    return g_steal_pointer (&user);
  return g_strdup (peer->row->instance);
}

/* Aliases ------------------------------------------------------------------------------------------------- */

GPtrArray *
roster_aliases (Roster *roster)
{
  return roster->aliases;
}

static gboolean
reload_aliases (Roster *roster, GError **error)
{
  GPtrArray *aliases = aliases_load (roster->db, error);

  if (aliases == NULL)
    return FALSE;
  g_ptr_array_unref (roster->aliases);
  roster->aliases = aliases;
  apply_aliases (roster);
  return TRUE;
}

gboolean
roster_set_alias (Roster *roster, const char *name, Peer **peers, gsize n_peers, GError **error)
{
  g_autofree gint64 *ids = g_new0 (gint64, n_peers + 1);

  if (!name_is_valid (name) || name_equal (name, SELF) || strchr (name, '@') != NULL)
    {
      g_set_error (error, HEARBY_ERROR, HEARBY_ERROR_INVALID_ARGUMENT,
                   "'%s' cannot be an alias\nan alias has up to 63 bytes, no '@', and is not 'self'", name);
      return FALSE;
    }
  for (gsize i = 0; i < n_peers; i++)
    ids[i] = peers[i]->row->id;
  return aliases_set (roster->db, name, ids, n_peers, error) && reload_aliases (roster, error);
}

gboolean
roster_move_aliases (Roster *roster, const Peer *from, const Peer *to, GError **error)
{
  return aliases_move (roster->db, from->row->id, to->row->id, error) && reload_aliases (roster, error);
}
