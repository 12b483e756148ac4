import { tree } from '../base/visibility.ts'
import { assign, compile, greaterOrEqual, int32, unsqueeze } from '../tensor/index.ts'
import {
  callOutputs,
  type Decoder,
  type DecoderProgram,
  fetched,
  freshColumns,
  type ProgramSettings,
  readouts,
  slotInputs,
} from './decoder-program.ts'
import { type Lane, slotFeeds } from './lanes.ts'
import { pastColumns } from './past-columns.ts'

const inputs = {
  ...slotInputs,
  /** Index of each row's last slot once the fed ones are in. */
  last: int32('B'),
  /** The largest of `last`, plus 1. */
  total: int32(1),
  /** Indices 0, 1, … of the slots before the fed ones, of the longest row. */
  before: int32('P'),
}

/**
 * One graph in which the cache grows in place, in the runtime's grouped-query kernel: nothing is copied, and each row costs what its own
 * length costs. Several fed slots behind a past run one row at a time.
 */
export function compileGrowing(decoder: Decoder, settings: ProgramSettings): DecoderProgram {
  const program = compileDecoder(decoder, settings)
  return {
    calls: (lanes) => {
      const single = lanes.filter(({ tokens }) => tokens.length === 1)
      const several = lanes.filter(({ tokens }) => tokens.length > 1)
      return [...(single.length > 0 ? [single] : []), ...several.map((lane) => [lane])]
    },
    async run(lanes, options) {
      const rows = settings.cache.window(lanes[0]!.row, lanes.length)
      return callOutputs(await program.run(feedsOf(lanes, options), { rows, only: fetched(options) as never[] }), options)
    },
    pads: false,
    dispose: () => program.dispose(),
  }
}

function feedsOf(lanes: readonly Lane[], options: Parameters<typeof slotFeeds>[1]) {
  const last = Int32Array.from(lanes, ({ start, tokens }) => start + tokens.length - 1)
  const before = Int32Array.from({ length: Math.max(...lanes.map(({ start }) => start)) }, (_, i) => i)
  return { ...slotFeeds(lanes, options), last, total: Int32Array.of(Math.max(...last) + 1), before }
}

function compileDecoder(decoder: Decoder, { cache, device, frozen, taps }: ProgramSettings) {
  const { backbone } = decoder
  return compile(
    inputs,
    ({ ids, position, enter, exit, wanted, shown, last, total, before }) => {
      const places = unsqueeze(before, 0)
      const past = {
        kind: 'growing' as const,
        columns: pastColumns(places),
        valid: greaterOrEqual(places, 0),
        layers: cache.layers.map(({ key, value }) => ({ key: key[0]!.tensor, value: value[0]!.tensor })),
        last,
        total,
      }
      const columns = freshColumns({ position, enter, exit })
      const embedded = backbone.embed(ids, position)
      const output = backbone.forward({ embedded, position, columns, visibility: tree, past })
      const grown = cache.layers.flatMap(({ key, value }, i) => [
        assign(key[0]!, output.added[i]!.key),
        assign(value[0]!, output.added[i]!.value),
      ])
      return { ...readouts(decoder, output, { wanted, shown }, taps), grown }
    },
    { device, frozen, inPlace: true, name: 'decoder' },
  )
}
