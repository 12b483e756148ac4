import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { FormatError } from '../base/errors.ts'
import { quoted } from './text.ts'

/** What all messages of one file share. */
export interface ReadContext {
  /** Messages, numbers and names that may still be read. */
  remaining: number
  readonly maxDepth: number
  readonly externalData: Readonly<Record<string, Uint8Array>>
  /** Bytes that may still be read from external files, since initializers may overlap there. */
  remainingExternal: number
}

/** One message type: how a draft starts, and what each field does to it. */
export interface Message<Draft> {
  readonly name: string
  readonly create: () => Draft
  readonly fields: Readonly<Record<number, Field<Draft>>>
}

export interface Field<Draft> {
  /** Wire types in which the field may come. */
  readonly wires: readonly WireType[]
  readonly repeated: boolean
  readonly read: (draft: Draft, reader: FieldReader) => void
}

/** Reads one message from its bytes. */
export function readMessage<Draft>(message: Message<Draft>, bytes: Uint8Array, context: ReadContext, depth: number): Draft {
  const reader = new FieldReader(message.name, bytes, context, depth)
  const draft = message.create()
  const seen = new Set<number>()
  while (!reader.atEnd) {
    const number = reader.nextField()
    const field = message.fields[number]
    if (field === undefined) throw reader.refusal(`has field ${number}, which nextx does not read`)
    if (!field.wires.includes(reader.wire)) throw reader.refusal(`has field ${number} in wire type ${reader.wire}`)
    if (!field.repeated && seen.has(number)) throw reader.refusal(`has field ${number} twice`)
    seen.add(number)
    field.read(draft, reader)
  }
  return draft
}

export type ValueKind = 'bytes' | 'text' | 'integer' | 'float' | 'double'

interface Values {
  readonly bytes: Uint8Array
  readonly text: string
  readonly integer: number | bigint
  readonly float: number
  readonly double: number
}

const wireTypes: Readonly<Record<ValueKind, WireType>> = {
  bytes: WireType.LengthDelimited,
  text: WireType.LengthDelimited,
  integer: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
}

/** A field that comes at most once and sets `key` of the draft. */
export function single<Kind extends ValueKind, Key extends string>(
  kind: Kind,
  key: Key,
): Field<Record<Key, Values[Kind] | undefined>> {
  return {
    wires: [wireTypes[kind]],
    repeated: false,
    read(draft, reader) {
      draft[key] = reader.value(kind)
    },
  }
}

/** A field that comes any number of times, numbers also packed into one, and grows the list `key` of the draft. */
export function repeated<Kind extends ValueKind, Key extends string>(kind: Kind, key: Key): Field<Record<Key, Values[Kind][]>> {
  return {
    wires: [wireTypes[kind], WireType.LengthDelimited],
    repeated: true,
    read(draft, reader) {
      if (reader.wire === wireTypes[kind]) draft[key].push(reader.countedValue(kind))
      else for (const packed = reader.packed(); !packed.atEnd; ) draft[key].push(packed.countedValue(kind))
    },
  }
}

/** A message that comes at most once. `deeper`: it is a level of nesting, because its type may contain itself. */
export function message<Inner, Key extends string>(
  type: () => Message<Inner>,
  key: Key,
  { deeper = false } = {},
): Field<Record<Key, Inner | undefined>> {
  return {
    wires: [WireType.LengthDelimited],
    repeated: false,
    read(draft, reader) {
      draft[key] = reader.message(type(), deeper)
    },
  }
}

/** A message that comes any number of times. */
export function messages<Inner, Key extends string>(type: () => Message<Inner>, key: Key): Field<Record<Key, Inner[]>> {
  return {
    wires: [WireType.LengthDelimited],
    repeated: true,
    read: (draft, reader) => draft[key].push(reader.message(type(), false)),
  }
}

/** An annotation that changes nothing about what the model computes. */
export const ignored: Field<unknown> = {
  wires: [WireType.Varint, WireType.Bit32, WireType.Bit64, WireType.LengthDelimited],
  repeated: true,
  read: (_draft, reader) => reader.skip(),
}

/** The library's reader, with its errors turned into FormatError and its lengths checked. */
export class FieldReader {
  readonly #message: string
  readonly #reader: BinaryReader
  readonly #context: ReadContext
  readonly #depth: number
  #number = 0
  #wire: WireType = WireType.Varint

  constructor(message: string, bytes: Uint8Array, context: ReadContext, depth: number) {
    this.#message = message
    this.#reader = new BinaryReader(bytes)
    this.#context = context
    this.#depth = depth
  }

  get atEnd(): boolean {
    return this.#reader.pos >= this.#reader.len
  }

  get wire(): WireType {
    return this.#wire
  }

  /** Moves to the next field; its number. */
  nextField(): number {
    const [number, wire] = this.#guard(() => this.#reader.tag())
    this.#number = number
    this.#wire = wire
    return number
  }

  value<Kind extends ValueKind>(kind: Kind): Values[Kind]
  value(kind: ValueKind): Values[ValueKind] {
    return this.#guard(() => {
      switch (kind) {
        case 'bytes':
          return this.#reader.bytes()
        case 'text':
          return this.#reader.string(true)
        case 'integer':
          return exactInteger(this.#reader.int64())
        case 'float':
          return this.#reader.float()
        case 'double':
          return this.#reader.double()
      }
    })
  }

  /** A value that counts as an item. */
  countedValue<Kind extends ValueKind>(kind: Kind): Values[Kind] {
    this.#count()
    return this.value(kind)
  }

  /** The values of a packed field, as if each were a field. */
  packed(): FieldReader {
    return new FieldReader(this.#message, this.value('bytes'), this.#context, this.#depth)
  }

  message<Inner>(message: Message<Inner>, deeper: boolean): Inner {
    const depth = this.#depth + (deeper ? 1 : 0)
    if (depth > this.#context.maxDepth) throw this.refusal(`nests graphs deeper than ${this.#context.maxDepth}`)
    this.#count()
    return readMessage(message, this.value('bytes'), this.#context, depth)
  }

  skip(): void {
    this.#guard(() => this.#reader.skip(this.#wire, this.#number))
  }

  refusal(problem: string): FormatError {
    return new FormatError(`ONNX ${this.#message} ${problem}`)
  }

  /** Takes one item off the file's budget, since an empty item takes far more memory than its two bytes. */
  #count(): void {
    this.#context.remaining -= 1
    if (this.#context.remaining < 0) throw this.refusal('exceeds the limit maxItems')
  }

  #guard<T>(read: () => T): T {
    try {
      return read()
    } catch (cause) {
      throw new FormatError(`ONNX ${this.#message} is damaged at byte ${this.#reader.pos}: ${quoted(String(cause))}`, { cause })
    }
  }
}

function exactInteger(value: bigint | string): number | bigint {
  const exact = BigInt(value)
  const number = Number(exact)
  return Number.isSafeInteger(number) ? number : exact
}
