//! The integration tests: one binary, one module per thing a user does or meets.
//!
//! They start the real daemon on free loopback ports, and real clients and reference
//! implementations at pinned versions, which the first run installs under the target directory.
//! `HALOD_TEST_SEED` repeats a run's random choices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(unreachable_pub, missing_debug_implementations)]

mod attacks;
mod audit;
mod auth;
mod browser;
mod captures;
mod cases;
mod checkpoints;
mod clients;
mod co_append;
mod collector;
mod corpus;
mod crash;
mod data_spans;
mod disk;
mod evidence;
mod examples;
mod explain;
mod export;
mod fuzzed;
mod garbage;
mod gateway;
mod gateway_oracle;
mod generated;
mod guard;
mod hangup;
mod hash_oracle;
mod healthcheck;
mod hook;
mod import;
mod keyed;
mod langfuse;
mod langsmith;
mod ledger;
mod lineage;
mod litellm;
mod live;
mod logs;
mod meaning;
mod native;
mod native_oracle;
mod openai_agents;
mod parents;
mod pretenders;
mod protocol;
mod query;
mod record_oracle;
mod record_reference;
mod recorders;
mod redact_corpus;
mod redact_oracle;
mod redaction_rules;
mod report;
mod senders;
mod shutdown;
mod soak;
mod split_traces;
mod support;
mod tail;
mod tail_check;
mod tee;
mod tenant_names;
mod tenants;
mod tidy;
mod timestamps;
mod tls;
mod unusable;
mod verify_agreement;
mod web;
mod witness;
