create table "public"."article" (
    "id" uuid not null,
    "sku" text not null,
    "name" text not null,
    "nickname" text,
    "label" text not null,
    "grade" text not null,
    "mood" text,
    "maker_id" uuid not null,
    "previous_maker_id" uuid,
    "token" uuid not null,
    "is_active" boolean not null,
    "month" smallint not null,
    "stock" integer not null,
    "shift" bigint not null,
    "price" numeric not null,
    "weight" numeric not null,
    "share" real not null,
    "rate" real not null,
    "ratio" double precision not null,
    "length" double precision not null,
    "placed_at" timestamp with time zone not null,
    "day" date not null,
    "hour" time without time zone not null,
    "duration" interval not null,
    "photo" bytea not null,
    "digest" bytea not null,
    "attributes" jsonb not null,
    "extra" jsonb,
    "note" text not null default 'it''s \ new',
    "priority" integer not null default -1,
    "rank" integer default 3,
    "is_hidden" boolean not null default false,
    "factor" double precision not null default '1.5',
    "fee" numeric not null default 0.25,
    "quality" text not null default 'veryHigh',
    "origin" uuid not null default '00000000-0000-0000-0000-000000000000',
    "owner" uuid not null,
    row_version bigint not null default 1,
    constraint "article_pkey" primary key ("id"),
    constraint "article_sku_key" unique ("sku"),
    constraint "article_maker_id_month_key" unique ("maker_id", "month"),
    constraint "article_sku_check" check (char_length("sku") <= 40),
    constraint "article_name_check" check (char_length("name") <= 1000),
    constraint "article_nickname_check" check (char_length("nickname") between 3 and 20),
    constraint "article_label_check" check (char_length("label") between 1 and 1000),
    constraint "article_grade_check" check ("grade" in ('low', 'veryHigh')),
    constraint "article_mood_check" check ("mood" in ('low', 'veryHigh')),
    constraint "article_month_check" check ("month" >= 1 and "month" <= 12),
    constraint "article_stock_check" check ("stock" >= 0 and "stock" <= 2147483647),
    constraint "article_shift_check" check ("shift" >= -5 and "shift" <= 5),
    constraint "article_price_check" check ("price" > 0 and "price" <= 99999.99),
    constraint "article_share_check" check ("share" >= '0' and "share" < '0.1'),
    constraint "article_rate_check" check ("rate" >= '0' and "rate" <= '0.1'),
    constraint "article_ratio_check" check ("ratio" > '-Infinity' and "ratio" < 'Infinity'),
    constraint "article_length_check" check ("length" >= '0' and "length" < 'Infinity'),
    constraint "article_photo_check" check (octet_length("photo") <= 65536),
    constraint "article_digest_check" check (octet_length("digest") between 4 and 16),
    constraint "article_note_check" check (char_length("note") <= 1000),
    constraint "article_factor_check" check ("factor" > '-Infinity' and "factor" < 'Infinity'),
    constraint "article_quality_check" check ("quality" in ('low', 'veryHigh'))
);

create table "public"."maker" (
    "id" uuid not null,
    "name" text not null,
    "parent_id" uuid,
    row_version bigint not null default 1,
    constraint "maker_pkey" primary key ("id"),
    constraint "maker_name_check" check (char_length("name") between 2 and 80)
);

alter table "public"."article" add constraint "article_maker_id_fkey" foreign key ("maker_id") references "public"."maker" ("id") on delete restrict;

alter table "public"."article" add constraint "article_previous_maker_id_fkey" foreign key ("previous_maker_id") references "public"."maker" ("id") on delete restrict;

alter table "public"."article" add constraint "article_owner_fkey" foreign key ("owner") references "public"."maker" ("id") on delete restrict;

alter table "public"."maker" add constraint "maker_parent_id_fkey" foreign key ("parent_id") references "public"."maker" ("id") on delete restrict;

create index "article_grade_idx" on "public"."article" ("grade", "id");

create index "article_price_idx" on "public"."article" ("price", "id");

create index "article_grade_placed_at_idx" on "public"."article" ("grade", "placed_at", "id");

create index "article_month_id_idx" on "public"."article" ("month", "id");

create index "article_previous_maker_id_idx" on "public"."article" ("previous_maker_id", "id");

create index "article_owner_idx" on "public"."article" ("owner", "id");

create index "maker_parent_id_idx" on "public"."maker" ("parent_id", "id");
