import { FormatError } from '../base/errors.ts'
import { readFileBytes } from '../platform/index.ts'
import { type Forecast, type Forecaster, type ForecastOptions, restoreForecaster } from '../systems/index.ts'
import type { Host } from './model-pool.ts'
import type { HostContext } from './picture-host.ts'
import { Turns } from './turns.ts'

export interface SeriesHost extends Host {
  readonly kind: 'series'
  readonly forecaster: Forecaster
  /** Forecasts when its turn has come. Rejects as `Forecaster.forecast` does, and with BusyError. */
  forecast(options: ForecastOptions, signal: AbortSignal): Promise<Forecast>
}

/** What `nextx forecast --save` wrote. Throws FormatError on anything else. */
export async function openSeriesHost(path: string, bytes: number, { device, limits }: HostContext): Promise<SeriesHost> {
  const forecaster = await restoreForecaster(parsed(await readFileBytes(path)), { device })
  const turns = new Turns(limits.queuedRequests)
  return {
    kind: 'series',
    forecaster,
    bytes: () => bytes,
    check: () => [],
    forecast: (options, signal) => turns.run(() => forecaster.forecast({ ...options, signal }), signal),
    [Symbol.asyncDispose]: () => forecaster[Symbol.asyncDispose](),
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new FormatError('the forecaster is no JSON', { cause })
  }
}
