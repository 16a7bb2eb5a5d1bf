-- The school: who and what there is. Every row that belongs to a campus names it in campus_id, the scope of the sync.

create table campus (
  id text primary key check (id ~ '^[a-z][a-z0-9-]{1,31}$' and id <> 'cloud'),
  name text not null,
  town text not null,
  region text not null
);

create table subject (
  id text primary key check (id ~ '^[A-Z]{2,8}$'),
  name_fr text not null,
  name_en text not null
);

create table staff (
  id uuid primary key,
  campus_id text not null references campus,
  login text not null constraint staff_login_key unique check (login ~ '^[a-z0-9.-]{3,64}$'),
  password_hash text not null,
  full_name text not null,
  role text not null check (role in ('director', 'bursar', 'supervisor', 'teacher')),
  language text not null check (language in ('fr', 'en')),
  active boolean not null
);

-- Lessons of a school day, in local time.
create table period (
  campus_id text not null references campus,
  number smallint not null check (number between 1 and 10),
  starts_at time not null,
  ends_at time not null check (ends_at > starts_at),
  primary key (campus_id, number)
);

create table class (
  id uuid primary key,
  campus_id text not null references campus,
  school_year text not null check (school_year ~ '^20\d\d-20\d\d$'),
  name text not null,
  level text not null,
  sub_system text not null check (sub_system in ('francophone', 'anglophone')),
  language text not null check (language in ('fr', 'en')),
  updated_by text not null,
  constraint class_name_key unique (campus_id, school_year, name)
);

create table pupil (
  id uuid primary key,
  campus_id text not null references campus,
  class_id uuid not null references class,
  matricule text not null check (matricule ~ '^[A-Z0-9-]{3,20}$'),
  family_name text not null check (family_name <> ''),
  given_names text not null check (given_names <> ''),
  sex text not null check (sex in ('F', 'M')),
  born_on date not null,
  guardian_name text not null,
  guardian_phone text check (guardian_phone ~ '^2376\d{8}$'),
  updated_by text not null,
  constraint pupil_matricule_key unique (campus_id, matricule)
);
create index pupil_class on pupil (class_id);

create table timetable_slot (
  id uuid primary key,
  campus_id text not null,
  class_id uuid not null references class,
  weekday smallint not null check (weekday between 1 and 6),
  period smallint not null,
  subject_id text not null references subject,
  staff_id uuid references staff,
  updated_by text not null,
  constraint timetable_slot_period_fkey foreign key (campus_id, period) references period (campus_id, number),
  constraint timetable_slot_key unique (class_id, weekday, period)
);
