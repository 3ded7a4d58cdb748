/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/schema.h"

/* Numbers of states and directions are those of messages.h and transfers.h.
 *
 * wire_id outlives its message (seq is 0 then), so that a repeated one is known when the history is off;
 * there is one row for each (peer, direction, id), the newest. message_text is filled when somebody searches
 * (search.c). */
const char *const schema_steps[] = {
  "CREATE TABLE value (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;"

  "CREATE TABLE peer (id INTEGER PRIMARY KEY AUTOINCREMENT,"
  " instance TEXT, folded TEXT, nick TEXT, blocked INTEGER NOT NULL, plaintext INTEGER NOT NULL,"
  " encryption INTEGER NOT NULL, last_seen INTEGER NOT NULL, address TEXT,"
  " key BLOB UNIQUE, keyed INTEGER NOT NULL, trust INTEGER NOT NULL, verified INTEGER NOT NULL, claim BLOB);"
  "CREATE INDEX peer_name ON peer (folded);"
  "CREATE UNIQUE INDEX peer_plain ON peer (folded) WHERE key IS NULL;" /* a key is who it is; without one its name is */

  "CREATE TABLE alias (folded TEXT NOT NULL, name TEXT NOT NULL,"
  " peer INTEGER NOT NULL REFERENCES peer ON DELETE CASCADE, UNIQUE (folded, peer));"
  "CREATE INDEX alias_peer ON alias (peer);"

  "CREATE TABLE message (seq INTEGER PRIMARY KEY AUTOINCREMENT,"
  " peer INTEGER NOT NULL REFERENCES peer ON DELETE CASCADE, direction INTEGER NOT NULL,"
  " id TEXT, state INTEGER NOT NULL, confirms INTEGER NOT NULL, time INTEGER NOT NULL, received INTEGER NOT "
  "NULL,"
  " corrects INTEGER NOT NULL, expires INTEGER NOT NULL, once INTEGER NOT NULL, encrypted INTEGER NOT NULL,"
  " trust TEXT, reason TEXT, body TEXT NOT NULL);"
  "CREATE INDEX message_peer ON message (peer);" /* and seq, as every index */
  "CREATE INDEX message_state ON message (peer, state, confirms);"
  "CREATE INDEX message_expiry ON message (expires) WHERE expires > 0 AND " SCHEMA_WAITING ";"

  "CREATE TABLE wire_id (peer INTEGER NOT NULL REFERENCES peer ON DELETE CASCADE, direction INTEGER NOT NULL,"
  " id TEXT NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (peer, direction, id)) "
  "WITHOUT ROWID;"
  "CREATE INDEX wire_id_orphan ON wire_id (time) WHERE seq = 0;"
  "CREATE TRIGGER message_gone AFTER DELETE ON message WHEN old.id IS NOT NULL BEGIN"
  " UPDATE wire_id SET seq = 0 WHERE peer = old.peer AND direction = old.direction AND id = old.id AND seq = "
  "old.seq;"
  " END;"

  "CREATE TABLE sent_key (key TEXT PRIMARY KEY NOT NULL, seqs BLOB NOT NULL, time INTEGER NOT NULL) WITHOUT "
  "ROWID;"
  "CREATE TABLE consumer (name TEXT PRIMARY KEY NOT NULL, acknowledged INTEGER NOT NULL) WITHOUT ROWID;"

  "CREATE VIRTUAL TABLE message_text USING fts5 (body, content='message', content_rowid='seq',"
  " tokenize='unicode61 remove_diacritics 2');"
  "INSERT INTO message_text (message_text, rank) VALUES ('hashsize', 262144);" /* bytes gathered in memory */
  "INSERT INTO value VALUES ('searchable', '0');",

  "ALTER TABLE peer ADD COLUMN files INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE peer ADD COLUMN files_limit INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE peer ADD COLUMN files_to TEXT;"
  "ALTER TABLE peer ADD COLUMN quota INTEGER NOT NULL DEFAULT 0;"

  "CREATE TABLE transfer (id INTEGER PRIMARY KEY AUTOINCREMENT,"
  " peer INTEGER NOT NULL REFERENCES peer ON DELETE CASCADE, direction INTEGER NOT NULL, state INTEGER NOT NULL,"
  " reason TEXT, sid TEXT, name TEXT NOT NULL, key TEXT, batch TEXT, size INTEGER NOT NULL, transferred INTEGER NOT NULL,"
  " files INTEGER NOT NULL, entries INTEGER NOT NULL, folder TEXT, sources BLOB, offer BLOB, failures BLOB, paths BLOB,"
  " created INTEGER NOT NULL, changed INTEGER NOT NULL, expires INTEGER NOT NULL, flags INTEGER NOT NULL);"
  "CREATE INDEX transfer_sid ON transfer (peer, direction, sid);"
  "CREATE INDEX transfer_key ON transfer (key) WHERE key IS NOT NULL;"
  "CREATE INDEX transfer_open ON transfer (id) WHERE " SCHEMA_TRANSFER_OPEN ";"
  "CREATE INDEX transfer_ended ON transfer (changed) WHERE state >= 6;",
};

const guint schema_n_steps = G_N_ELEMENTS (schema_steps);
