//! What is measured: the rows of the table of targets, as data, and how a row becomes a result.
