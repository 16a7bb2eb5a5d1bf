-- What a school day writes. Ids here are made from the natural key, so that the same fact has the same id at every site.

create table roll_call (
  id uuid primary key,
  campus_id text not null,
  class_id uuid not null references class,
  held_on date not null,
  period smallint not null,
  taken_at timestamptz not null,
  taken_by text not null,
  constraint roll_call_period_fkey foreign key (campus_id, period) references period (campus_id, number),
  constraint roll_call_key unique (class_id, held_on, period)
);
create index roll_call_day on roll_call (campus_id, held_on);

-- Only pupils who were not simply present have a row.
create table attendance (
  id uuid primary key,
  campus_id text not null references campus,
  roll_call_id uuid not null references roll_call,
  pupil_id uuid not null references pupil,
  status text not null check (status in ('absent', 'late', 'excused')),
  noted_by text not null,
  constraint attendance_key unique (roll_call_id, pupil_id)
);
create index attendance_pupil on attendance (pupil_id);

create table assessment (
  id uuid primary key,
  campus_id text not null references campus,
  class_id uuid not null references class,
  subject_id text not null references subject,
  sequence smallint not null check (sequence between 1 and 6),
  coefficient smallint not null check (coefficient between 1 and 10),
  updated_by text not null,
  constraint assessment_key unique (class_id, subject_id, sequence)
);

create table mark (
  id uuid primary key,
  campus_id text not null references campus,
  assessment_id uuid not null references assessment,
  pupil_id uuid not null references pupil,
  value numeric(4, 2) not null check (value between 0 and 20),
  entered_by text not null,
  constraint mark_key unique (assessment_id, pupil_id)
);
create index mark_pupil on mark (pupil_id);
