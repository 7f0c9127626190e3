//! Packet builders and in-memory tables for tests.
