-- What other engines said of the same conversations: a JSON array of witnesses.
ALTER TABLE incidents ADD COLUMN witnesses TEXT NOT NULL DEFAULT '[]';
