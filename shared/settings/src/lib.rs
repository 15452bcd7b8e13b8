//! Settings by part: each part is read from the environment and connected in one place, for every function that needs it.
