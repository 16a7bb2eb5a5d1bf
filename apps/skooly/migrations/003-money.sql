-- Money in whole XAF. Payments and receipts are only ever added; a balance is always computed, never stored.

create table fee (
  id uuid primary key,
  campus_id text not null references campus,
  class_id uuid references class,
  pupil_id uuid references pupil,
  kind text not null check (kind in ('public', 'apee', 'exam', 'other')),
  school_year text not null check (school_year ~ '^20\d\d-20\d\d$'),
  amount integer not null check (amount > 0),
  updated_by text not null,
  constraint fee_owner check (num_nonnulls(class_id, pupil_id) = 1)
);
create index fee_class on fee (class_id);
create index fee_pupil on fee (pupil_id);

create table payment (
  id uuid primary key,
  campus_id text not null references campus,
  pupil_id uuid not null references pupil,
  kind text not null check (kind in ('payment', 'reversal')),
  reverses uuid constraint payment_reverses_key unique references payment,
  amount integer not null check (amount > 0),
  method text not null check (method in ('cash', 'mtn', 'orange')),
  operator_transaction text check (operator_transaction ~ '^[A-Za-z0-9.]{6,40}$'),
  paid_at timestamptz not null,
  note text,
  recorded_by text not null,
  constraint payment_kind check ((kind = 'reversal') = (reverses is not null)),
  constraint payment_proof check (kind = 'reversal' or (method = 'cash') = (operator_transaction is null)),
  constraint payment_reversal_proof check (kind = 'payment' or operator_transaction is null),
  constraint payment_operator_transaction_key unique (method, operator_transaction)
);
create index payment_pupil on payment (pupil_id);

-- One per payment and site, numbered without gaps in a series that only this site writes.
create table receipt (
  id uuid primary key,
  campus_id text not null references campus,
  payment_id uuid not null references payment,
  site text not null,
  series text not null,
  serial integer not null check (serial > 0),
  issued_by text not null,
  constraint receipt_payment_key unique (payment_id, site),
  constraint receipt_number_key unique (series, serial)
);
