import { tree } from '../base/visibility.ts'
import { assignRows, cast, compile, int32, less, range, unsqueeze } from '../tensor/index.ts'
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
import type { CacheLayer } from './key-value-cache.ts'
import { slotFeeds } from './lanes.ts'
import { pastColumns } from './past-columns.ts'

const inputs = {
  ...slotInputs,
  /** Committed slots per row, and fed slots per row (others are padding). */
  start: int32('B'),
  count: int32('B'),
}

/**
 * One graph for any batch and any number of new slots, of plain operators alone: past keys and values are read, new ones come out as
 * rows and are written behind them afterwards.
 */
export function compileWriting(decoder: Decoder, settings: ProgramSettings): DecoderProgram {
  const program = compileDecoder(decoder, settings)
  return {
    calls: (lanes) => (lanes.length === 0 ? [] : [lanes]),
    async run(lanes, options) {
      const feeds = {
        ...slotFeeds(lanes, options),
        start: Int32Array.from(lanes, ({ start }) => start),
        count: Int32Array.from(lanes, ({ tokens }) => tokens.length),
      }
      const rows = settings.cache.window(lanes[0]!.row, lanes.length)
      return callOutputs(await program.run(feeds, { rows, only: fetched(options) as never[] }), options)
    },
    pads: true,
    dispose: () => program.dispose(),
  }
}

function compileDecoder(decoder: Decoder, { cache, device, frozen, storage, taps }: ProgramSettings) {
  const { backbone } = decoder
  return compile(
    inputs,
    ({ ids, position, enter, exit, start, count, wanted, shown }) => {
      const load = (parts: CacheLayer['key']) => storage.load(parts.map(({ tensor }) => tensor))
      const places = unsqueeze(cast(range(cache.layers[0]!.key[0]!.shape[2]!), 'int32'), 0)
      const past = {
        kind: 'plain' as const,
        columns: pastColumns(places),
        valid: less(places, unsqueeze(start, 1)),
        layers: cache.layers.map(({ key, value }) => ({ key: load(key), value: load(value) })),
      }
      const columns = freshColumns({ position, enter, exit })
      const embedded = backbone.embed(ids, position)
      const output = backbone.forward({ embedded, position, columns, visibility: tree, past })
      const rows = cache.layers.flatMap((layer, i) =>
        (['key', 'value'] as const).flatMap((kind) =>
          storage.store(output.added[i]![kind]).map((part, p) => assignRows(layer[kind][p]!, part, 2, start, count)),
        ),
      )
      return { ...readouts(decoder, output, { wanted, shown }, taps), rows }
    },
    { device, frozen, name: 'decoder' },
  )
}
