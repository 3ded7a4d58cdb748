/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Each size, count, depth and wait that a stranger can push. Bytes unless the name says otherwise; _MS and _S are
 * milliseconds and seconds. Each has a test at the limit and one past it. */

/* XML of one stream (RFC 6120 13.12; XEP-0478) */
#define LIMIT_STANZA (256 * 1024)       /* one top-level element, opening to closing '>' */
#define LIMIT_BEFORE_OPEN (10 * 1000)   /* all bytes before the peer is known */
#define LIMIT_DEPTH 32                  /* elements open at once */
#define LIMIT_ATTRIBUTES 64             /* of one element, namespace declarations apart */
#define LIMIT_NAMESPACES 32             /* declarations on one element */
#define LIMIT_CHILDREN 10000            /* nodes below one stanza, all levels */
#define LIMIT_NAME 1024                 /* an element's, attribute's or namespace's name */

/* Streams */
#define LIMIT_HEADER_WAIT_MS 10000      /* from accept or connect until the peer's header */
#define LIMIT_FEATURES_WAIT_MS 2000     /* from a 1.0 header until features (channel: they are only a SHOULD) */
#define LIMIT_DISCOVERY_WAIT_MS 3000    /* how long a stranger's stream may wait for mDNS to name him */
#define LIMIT_CONNECT_MS 10000          /* TCP connect to one address; the next need not wait for it */
#define LIMIT_RACE_MS 250               /* head start of one address family over the other (RFC 8305) */
#define LIMIT_CLOSE_WAIT_MS 3000        /* from our </stream:stream> to the peer's */
#define LIMIT_IQ_WAIT_MS 10000          /* an answer to an IQ */
#define LIMIT_IDLE_S 300                /* a stream without traffic is closed */
#define LIMIT_STRANGERS 64              /* accepted connections whose peer is not known yet */
#define LIMIT_STRANGERS_PER_ADDRESS 8
#define LIMIT_STREAMS_PER_PEER 4
#define LIMIT_IQS_OPEN 64               /* requests of ours without an answer, each stream */
#define LIMIT_IQ_RATE 200               /* requests a peer may make each second; more: policy-violation */
#define LIMIT_WIRE_QUEUE (1024 * 1024)  /* bytes waiting for a socket before a peer counts as stuck */
#define LIMIT_WIRE_FULL (256 * 1024)    /* above this no new message is taken from the outbox */

/* The secure channel */
#define LIMIT_VERIFY_PEER 3             /* comparisons of codes with one peer within an hour */
#define LIMIT_VERIFY_ALL 10             /* with all of them */
#define LIMIT_AGE_S (12 * 3600)         /* a stream this old is replaced by one with new keys */
#define LIMIT_HANDSHAKE_FRAME 1024      /* one Noise message; ours have 96 at most */
#define LIMIT_IDENTITY_TEXT 512         /* a file with a key, one byte for its NUL included */
#define LIMIT_PASSPHRASE 1024
#define LIMIT_TRUST_URI 512             /* without its NUL; ours have 311 at most */

/* The link */
#define LIMIT_PEERS 4096                /* names known; those only seen make room for new ones, the oldest first */
#define LIMIT_NEW_KEYS 512              /* keys shown by whom the user never acted on; the oldest without messages makes room */
#define LIMIT_SIGHTINGS_PER_PEER 32
#define LIMIT_ADDRESSES_TRIED 8         /* of one peer for one connect */
#define LIMIT_INSTANCE 63               /* RFC 6763 4.1.1 */
#define LIMIT_TXT 1300                  /* RFC 6763 6.2 */
#define LIMIT_TXT_STRING 255
#define LIMIT_NICK 128
#define LIMIT_STATUS_TEXT 250

/* Messages */
#define LIMIT_BODY (64 * 1024)          /* so that an environment variable holds it */
#define LIMIT_ID 256                    /* a message's id */
#define LIMIT_QUEUE_MESSAGES 100000     /* waiting for one peer */
#define LIMIT_STRANGER_MESSAGES 50000   /* unread of one peer that the user never wrote to */
#define LIMIT_EXPIRE_S (7 * 24 * 3600)  /* a message nobody could take */
#define LIMIT_PLAIN_EXPIRE_S 3600       /* the same for a peer that cannot encrypt */
#define LIMIT_ONCE_S 30                 /* a message whose yes was for now only */
#define LIMIT_SEEN_S (30 * 24 * 3600)   /* how long an id is known */
#define LIMIT_IDEMPOTENT_S (7 * 24 * 3600)
#define LIMIT_CONSUMERS 256
#define LIMIT_LIST 1000                 /* messages in one answer of ListMessages */
#define LIMIT_CLIENT_LAG 20000          /* messages that a client of the bus may be behind; more: it is closed */
#define LIMIT_CLIENT_LAG_BYTES (64 * 1024 * 1024) /* of texts in them */
#define LIMIT_CLIENT_ANSWERS 256        /* messages that wait for it; more: its calls wait too */
#define LIMIT_CLIENTS 256               /* connections to the private socket */
#define LIMIT_CALL_VALUES 65536         /* in the arguments of one call, containers and what is in them */
#define LIMIT_CALL_DESCRIPTORS 16       /* files in one call of SendFiles: a message bus passes no more at once */
#define LIMIT_BATCH 64                  /* a caller's word for transfers that belong together */
#define LIMIT_SHOWN_NAMES 1000          /* in one list of a transfer that the bus shows, and */
#define LIMIT_SHOWN_TEXT (128 * 1024)   /* bytes of them */
#define LIMIT_AGENT_S 300               /* for an agent to say what becomes of an offer */
#define LIMIT_TRACE (4 * 1024 * 1024)   /* bytes a trace may lag behind before it is cut */
#define LIMIT_SETTLE_MS 3000            /* the first complete look at the link */

/* Files */
#define LIMIT_FILENAME 255              /* one name, as every file system has it */
#define LIMIT_PATH 4096                 /* of an entry, below its target folder; the same for where a link leads */
#define LIMIT_PATH_DEPTH 128            /* components of it */
#define LIMIT_FRAME_BODY 65511          /* of one frame on a data connection: with its header a record is full */
#define LIMIT_OFFER_FILES 64            /* entries named in an offer; more are only counted */
#define LIMIT_ENTRIES 10000000          /* entries of one transfer */
#define LIMIT_TRANSFERS 4096            /* that go on, in all */
#define LIMIT_TRANSFERS_PER_PEER 1024   /* of one peer to us, those that are over and still shown included */
#define LIMIT_OFFERS_PER_PEER 64        /* those of them that the user did not say yes to */
#define LIMIT_RECEIVING_PER_PEER 16     /* those of them that have a connection, and a thread; the others wait */
#define LIMIT_TRANSFER_SHOWN_S 600      /* an object of the bus lives so long after its transfer's end */
#define LIMIT_SID 128                   /* a session's id */
#define LIMIT_INBAND_BLOCK 65535        /* XEP-0047 2.1 */
#define LIMIT_STREAMHOSTS 16            /* of one offer (XEP-0065) */
#define LIMIT_BYTESTREAM_MS 30000       /* until its connection is there (XEP-0065) */
#define LIMIT_BYTESTREAM_TALKS 4        /* connections that try to be the one */
#define LIMIT_PLAIN_CLOSE_MS 3000       /* a receiver in clear that has everything and does not close */
#define LIMIT_TRANSFERS_KEPT_S (30 * 24 * 3600) /* how long one that ended is listed */
#define LIMIT_TRANSFER_FAILURES 1000    /* entries named that failed; more are only counted */
#define LIMIT_STALL_MS 30000            /* a data connection on which nothing moves */
#define LIMIT_KEEP_MS 5000              /* after so long without a byte of ours we say that we live */
#define LIMIT_LAST_WORDS_MS 700         /* for a reason and its way to the peer, when a transfer ends */
