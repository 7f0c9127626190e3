//! An outcome written for people and programs: a file is what the end of its name says.
