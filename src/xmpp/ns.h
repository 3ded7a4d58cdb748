/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* XML namespaces on the wire. */
#define NS_CLIENT "jabber:client"                              /* RFC 6120 */
#define NS_STREAM "http://etherx.jabber.org/streams"           /* RFC 6120 */
#define NS_STREAM_ERROR "urn:ietf:params:xml:ns:xmpp-streams"  /* RFC 6120 4.9 */
#define NS_STANZA_ERROR "urn:ietf:params:xml:ns:xmpp-stanzas"  /* RFC 6120 8.3 */
#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info"  /* XEP-0030 */
#define NS_DISCO_ITEMS "http://jabber.org/protocol/disco#items"
#define NS_CAPS "http://jabber.org/protocol/caps"              /* XEP-0115 */
#define NS_CHAT_STATES "http://jabber.org/protocol/chatstates" /* XEP-0085 */
#define NS_RECEIPTS "urn:xmpp:receipts"                        /* XEP-0184 */
#define NS_MARKERS "urn:xmpp:chat-markers:0"                   /* XEP-0333 */
#define NS_DELAY "urn:xmpp:delay"                              /* XEP-0203 */
#define NS_SID "urn:xmpp:sid:0"                                /* XEP-0359 */
#define NS_CORRECT "urn:xmpp:message-correct:0"                /* XEP-0308 */
#define NS_PING "urn:xmpp:ping"                                /* XEP-0199 */
#define NS_LIMITS "urn:xmpp:stream-limits:0"                   /* XEP-0478 */
#define NS_XHTML "http://www.w3.org/1999/xhtml"                /* libpurple's html copy */
#define NS_EVENT "jabber:x:event"                              /* XEP-0022, libpurple and iChat */
#define NS_NOISE "urn:x-hearby:noise:0"                        /* ours: the secure channel, hearby-protocol(7) */
#define NS_VERIFY "urn:x-hearby:verify:0"                      /* ours: the comparison of codes */
#define NS_BYTES "urn:x-hearby:bytes:0"                        /* ours: bytes on a connection of their own */
#define NS_JINGLE "urn:xmpp:jingle:1"                          /* XEP-0166 */
#define NS_JINGLE_FILES "urn:xmpp:jingle:apps:file-transfer:5" /* XEP-0234 */
#define NS_JINGLE_IBB "urn:xmpp:jingle:transports:ibb:1"       /* XEP-0261 */
#define NS_IBB "http://jabber.org/protocol/ibb"                /* XEP-0047 */
#define NS_SI "http://jabber.org/protocol/si"                  /* XEP-0095, libpurple */
#define NS_SI_FILES "http://jabber.org/protocol/si/profile/file-transfer" /* XEP-0096 */
#define NS_BYTESTREAMS "http://jabber.org/protocol/bytestreams" /* XEP-0065 */
#define NS_FEATURE_NEG "http://jabber.org/protocol/feature-neg" /* XEP-0020 */
#define NS_DATA_FORM "jabber:x:data"                           /* XEP-0004 */
