import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { causal } from '../base/visibility.ts'
import { writeFileAtomic } from '../platform/files.ts'
import { cast, compile, type Inputs, int32, type Program, range, type Tensor, unsqueeze } from '../tensor/index.ts'
import type { LanguageModel } from './system.ts'
import type { TextModel } from './text-model.ts'

export interface ExportOptions {
  /** Keep the weights in a second file, `<path>.data`, beside the model: needed above 2 GiB. Default: one file. */
  readonly external?: boolean
}

/** Logits of every position of plain sequences: ids `[batch, slot]` → `[batch, slot, vocabulary]`, without state. */
export function forwardText({ model, lm_head }: LanguageModel, ids: Tensor): Tensor {
  const position = unsqueeze(cast(range(ids.shape[1]!), 'int32'), 0)
  const slots = {
    embedded: model.embed(ids, position),
    position,
    columns: { group: position, position0: position },
    visibility: causal,
  }
  return lm_head.logits(model.forward(slots).hidden)
}

/** The program that is exported: int32 `ids` `[B, T]` → float32 `logits` `[B, T, vocabulary]`. */
export function textProgram(model: TextModel): Program<{ ids: Inputs[string] }, { logits: Tensor }> {
  return compile({ ids: int32('B', 'T') }, ({ ids }) => ({ logits: forwardText(model.network, ids) }), {
    device: model.device,
    frozen: true,
    name: model.system.id,
  })
}

/** Writes an ONNX file that plain ONNX Runtime runs: int32 `ids` `[B, T]` → float32 `logits` `[B, T, vocabulary]`. */
export async function exportModel(model: TextModel, path: string, options: ExportOptions = {}): Promise<void> {
  refuseUnknown(options, ['external'], 'exportModel')
  const { external = false } = options
  if (typeof path !== 'string' || !path.endsWith('.onnx'))
    throw new OptionError(`cannot export to ${JSON.stringify(path)}`, { expected: 'a path that ends with .onnx' })
  const location = `${path.split(/[\\/]/).at(-1)}.data`
  const file = await textProgram(model).toOnnx(external ? { externalThreshold: 1024, externalLocation: location } : {})
  if (file.external !== undefined) await writeFileAtomic(`${path}.data`, file.external)
  await writeFileAtomic(path, file.model)
}
