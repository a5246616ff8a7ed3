//! What every file of this folder is tested with: documented answers.
