INSERT INTO customers VALUES
  ('C1', 'Ada Palmer', 'ada@example.org', '10115'),
  ('C2', 'Bert Novak', 'bert@example.org', '20095');

INSERT INTO products VALUES
  ('kettle', 'Kettle Marlow'),
  ('lamp', 'Desk lamp Fenn'),
  ('radio', 'Kitchen radio Tarn'),
  ('scale', 'Kitchen scale Esk');

INSERT INTO advice VALUES
  ('kettle', 'switch,turn,heat,cold,dead,off', 'Let it cool for ten minutes: the guard against boiling dry switches it off.'),
  ('kettle', 'leak,drip,water,wet', 'Take the lid off and press the seal back into its groove.'),
  ('lamp', 'flicker,dim,dark,light', 'Screw the bulb in firmly; if it still flickers, try another bulb.'),
  ('radio', 'noise,hum,hiss,sound', 'Pull the aerial out to its full length, away from other devices.'),
  ('scale', 'wrong,weight,show,zero', 'Put it on a hard, even floor, then hold the left button for three seconds.');

INSERT INTO orders VALUES
  ('1001', 'C1', 'kettle', 4900, '3 Mill Lane, 10115 Berlin', 'delivered'),
  ('1002', 'C1', 'radio', 12900, '3 Mill Lane, 10115 Berlin', 'shipped'),
  ('1003', 'C1', 'lamp', 3500, '3 Mill Lane, 10115 Berlin', 'packing'),
  ('1004', 'C2', 'scale', 2900, '8 Harbour Street, 20095 Hamburg', 'delivered');
