-- The shop. Amounts are cents; keys are those of the calls that wrote a row, so that no call writes twice.

CREATE TABLE customers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE COLLATE NOCASE,
  postcode TEXT NOT NULL
) STRICT;

CREATE TABLE products (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL
) STRICT;

-- What the manuals say: if a symptom has one of the words, the advice helps.
CREATE TABLE advice (
  product TEXT NOT NULL REFERENCES products,
  words TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (product, words)
) STRICT;

CREATE TABLE orders (
  id TEXT PRIMARY KEY,
  customer TEXT NOT NULL REFERENCES customers,
  product TEXT NOT NULL REFERENCES products,
  paid INTEGER NOT NULL CHECK (paid > 0),
  address TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('packing', 'shipped', 'delivered', 'cancelled'))
) STRICT;

-- What went back to customers. The bank knows a payment by its reference.
CREATE TABLE payments (
  reference TEXT PRIMARY KEY,
  orders TEXT NOT NULL REFERENCES orders,
  amount INTEGER NOT NULL CHECK (amount > 0)
) STRICT;

CREATE TABLE repairs (
  id INTEGER PRIMARY KEY,
  orders TEXT NOT NULL REFERENCES orders,
  problem TEXT NOT NULL
) STRICT;

-- What each call that may run again answered the first time.
CREATE TABLE done (
  key TEXT PRIMARY KEY,
  output TEXT NOT NULL
) STRICT;
