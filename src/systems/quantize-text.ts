import { DataError, OptionError } from '../base/errors.ts'
import { type Calibration, gptq, nearest, type QuantizedReport, type QuantizeOptions, quantizeModule } from '../nn/index.ts'
import { int32 } from '../tensor/index.ts'
import { forwardText } from './export-text.ts'
import type { TextModel } from './text-model.ts'

export interface QuantizeTextOptions extends Omit<QuantizeOptions, 'method'> {
  /** Default: 'gptq' where there is a calibration text, else 'nearest'. */
  readonly method?: 'nearest' | 'gptq'
  /** Text like what the model will read: GPTQ looks at what the layers make of it. A few ten thousand tokens do. */
  readonly calibration?: string
  /** Most calibration tokens that are read. Default 65536. */
  readonly calibrationTokens?: number
}

/**
 * Quantises a text model where it stands; steppers made before keep the old weights. Throws OptionError, NonFiniteError or DataError before
 * anything changes.
 */
export async function quantizeText(model: TextModel, options: QuantizeTextOptions): Promise<QuantizedReport[]> {
  const { method, calibration, calibrationTokens = 65_536, ...rest } = options
  const rounding = (method ?? (calibration === undefined ? 'nearest' : 'gptq')) === 'gptq' ? compensated : plain
  const reports = await quantizeModule(model.network, { ...rest, method: rounding(model, calibration, calibrationTokens) })
  await model.refresh()
  return reports
}

function plain(_model: TextModel, calibration: string | undefined) {
  if (calibration === undefined) return nearest()
  throw new OptionError('quantizeText: a calibration text for the method nearest', { expected: "the method 'gptq'" })
}

function compensated(model: TextModel, calibration: string | undefined, most: number) {
  if (calibration === undefined) throw new OptionError("quantizeText: the method 'gptq' without a calibration text")
  return gptq(textCalibration(model, calibration, most))
}

/** Runs of the model over consecutive pieces of a text, as long as the context allows. Throws DataError when the text is too short. */
export function textCalibration(model: TextModel, text: string, mostTokens: number): Calibration {
  const tokens = model.tokenizer.encode(text).slice(0, mostTokens)
  const length = Math.min(model.network.model.context, longestPiece, tokens.length)
  if (length < 2) throw new DataError('the calibration text has fewer than two tokens', { expected: 'some ten thousand' })
  const pieces = Array.from({ length: Math.floor(tokens.length / length) }, (_, i) => tokens.slice(i * length, (i + 1) * length))
  return {
    inputs: { ids: int32(1, length) },
    forward: ({ ids }) => forwardText(model.network, ids!),
    batches: pieces.map((piece) => ({ ids: Int32Array.from(piece) })),
    device: model.device,
  }
}

/** Tokens that one run looks at: attention's bias is quadratic in them. */
const longestPiece = 512
