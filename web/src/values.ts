// Arrow values as text, as the JSON answers tell them (queries/values.py), but for decimals: those keep their digits.

import { DataType, type Field, IntervalUnit, TimeUnit, type Vector } from "apache-arrow";

/** What a column is to a reader: which way it is aligned, and what a chart may do with it. */
export type Kind = "number" | "time" | "truth" | "text";

const two = (value: number): string => String(value).padStart(2, "0");

export function kindOf(type: DataType): Kind {
  if (DataType.isInt(type) || DataType.isFloat(type) || DataType.isDecimal(type)) return "number";
  if (DataType.isTimestamp(type) || DataType.isDate(type)) return "time";
  return DataType.isBool(type) ? "truth" : "text";
}

const INTEGERS: Readonly<Record<string, string>> = {
  Int8: "TINYINT", Int16: "SMALLINT", Int32: "INTEGER", Int64: "BIGINT",
  Uint8: "UTINYINT", Uint16: "USMALLINT", Uint32: "UINTEGER", Uint64: "UBIGINT",
};

/** The name of a type as SQL has it. */
export function typeName(type: DataType): string {
  if (DataType.isInt(type)) return INTEGERS[String(type)] ?? "INTEGER";
  if (DataType.isFloat(type)) return String(type) === "Float64" ? "DOUBLE" : "FLOAT";
  if (DataType.isDecimal(type)) return `DECIMAL(${type.precision},${type.scale})`;
  if (DataType.isTimestamp(type)) return type.timezone ? "TIMESTAMPTZ" : "TIMESTAMP";
  if (DataType.isDate(type)) return "DATE";
  if (DataType.isTime(type)) return "TIME";
  if (DataType.isBool(type)) return "BOOLEAN";
  if (DataType.isInterval(type)) return "INTERVAL";
  if (DataType.isDictionary(type)) return typeName(type.dictionary as DataType);
  if (DataType.isList(type) || DataType.isFixedSizeList(type)) return `${typeName(type.valueType as DataType)}[]`;
  if (DataType.isMap(type)) return "MAP";
  if (DataType.isStruct(type)) return "STRUCT";
  if (DataType.isBinary(type) || DataType.isLargeBinary(type) || DataType.isFixedSizeBinary(type)) return "BLOB";
  if (DataType.isNull(type)) return "NULL";
  return "VARCHAR";
}

/** The digits of a two's complement number of 64-bit words, the least first, with a point before the last `scale`. */
export function decimal(words: Uint32Array, scale: number): string {
  let value = 0n;
  for (let at = words.length - 1; at >= 0; at--) value = (value << 32n) | BigInt(words[at] ?? 0);
  value = BigInt.asIntN(32 * words.length, value);
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
  const sign = value < 0n ? "-" : "";
  return scale > 0 ? `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}` : sign + digits;
}

/** Milliseconds since 1970, with microseconds behind the point, as ISO 8601. */
export function moment(ms: number): string {
  const micros = Math.round(ms * 1000);
  const whole = Math.floor(micros / 1000);
  const rest = micros - whole * 1000;
  const text = new Date(whole).toISOString();
  return rest ? `${text.slice(0, -1)}${String(rest).padStart(3, "0")}Z` : text;
}

const TIME_PER_SECOND = { [TimeUnit.SECOND]: 1, [TimeUnit.MILLISECOND]: 1e3, [TimeUnit.MICROSECOND]: 1e6, [TimeUnit.NANOSECOND]: 1e9 };

function clock(value: number, perSecond: number): string {
  const micros = Math.floor((value / perSecond) * 1e6);
  const seconds = Math.floor(micros / 1e6);
  const rest = micros % 1e6;
  const text = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return rest ? `${text}.${String(rest).padStart(6, "0")}` : text;
}

/** An interval as an ISO 8601 duration. */
function duration(months: number, days: number, nanoseconds: bigint): string {
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const sign = nanoseconds < 0n ? "-" : "";
  const hours = size / 3_600_000_000_000n;
  const minutes = (size / 60_000_000_000n) % 60n;
  const seconds = (Number(size % 60_000_000_000n) / 1e9).toFixed(9).replace(/\.?0+$/, "");
  const date = (months ? `${months}M` : "") + (days ? `${days}D` : "");
  const time = (hours ? `${sign}${hours}H` : "") + (minutes ? `${sign}${minutes}M` : "") + (seconds !== "0" ? `${sign}${seconds}S` : "");
  return date || time ? `P${date}${time && "T"}${time}` : "PT0S";
}

const finite = (value: number): string => (Number.isFinite(value) ? String(value) : Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf");

/** A value as something that `JSON.stringify` tells as the server would. */
function plain(type: DataType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (DataType.isDictionary(type)) return plain(type.dictionary as DataType, value);
  if (DataType.isList(type) || DataType.isFixedSizeList(type)) {
    return Array.from(value as Vector, (item: unknown) => plain(type.valueType as DataType, item));
  }
  if (DataType.isStruct(type)) {
    const row = value as Record<string, unknown>;
    return Object.fromEntries(type.children.map((field: Field) => [field.name, plain(field.type, row[field.name])]));
  }
  if (DataType.isMap(type)) {
    const entry = type.children[0]?.type.children?.[1] as Field | undefined;
    return Object.fromEntries(Array.from(value as Iterable<[unknown, unknown]>, ([key, item]) => [String(key), entry ? plain(entry.type, item) : item]));
  }
  if (typeof value === "number" && DataType.isFloat(type)) return Number.isFinite(value) ? value : null;
  if (typeof value === "number" || typeof value === "boolean") return DataType.isDate(type) || DataType.isTimestamp(type) ? text(type, value) : value;
  if (typeof value === "bigint") return value >= -(2n ** 53n) && value <= 2n ** 53n && DataType.isInt(type) ? Number(value) : text(type, value);
  return text(type, value);
}

/** A value as the grid shows it, and as it is copied. Null is null. */
export function text(type: DataType, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  try {
    return known(type, value);
  } catch {
    return String(value); // a time that no calendar has
  }
}

function known(type: DataType, value: unknown): string | null {
  if (DataType.isDictionary(type)) return text(type.dictionary as DataType, value);
  if (DataType.isDecimal(type)) return decimal(value as Uint32Array, type.scale);
  if (DataType.isTimestamp(type)) return moment(Number(value));
  if (DataType.isDate(type)) return new Date(Number(value)).toISOString().slice(0, 10);
  if (DataType.isTime(type)) return clock(Number(value), TIME_PER_SECOND[type.unit]);
  if (DataType.isFloat(type)) return finite(String(type) === "Float32" ? Number((value as number).toPrecision(7)) : (value as number));
  if (DataType.isInterval(type) && type.unit === IntervalUnit.MONTH_DAY_NANO) {
    const [months = 0, days = 0, low = 0, high = 0] = value as Int32Array;
    return duration(months, days, (BigInt(high) << 32n) | BigInt(low >>> 0));
  }
  if (value instanceof Uint8Array) return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (DataType.isList(type) || DataType.isFixedSizeList(type) || DataType.isStruct(type) || DataType.isMap(type)) return JSON.stringify(plain(type, value));
  return String(value);
}

/** A value as a chart takes it: numbers, milliseconds since 1970, or text. */
export function charted(type: DataType, value: unknown): number | string | boolean | null {
  if (value === null || value === undefined) return null;
  if (DataType.isDecimal(type)) return Number(decimal(value as Uint32Array, type.scale));
  if (DataType.isInt(type) || DataType.isFloat(type) || DataType.isTimestamp(type) || DataType.isDate(type)) {
    const number = Number(value);
    return Number.isFinite(number) ? number : null;
  }
  return typeof value === "boolean" ? value : text(type, value);
}
