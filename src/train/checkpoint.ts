import * as v from 'valibot'
import type { HostTensor } from '../base/dtype.ts'
import { DataError, FormatError } from '../base/errors.ts'
import { wholeNumber } from '../base/options.ts'
import { parseJson } from '../formats/json.ts'
import { readSafetensors, safetensorsPieces } from '../formats/safetensors.ts'
import { checkFit, type Module, namedVariables, readVariables, writeVariables } from '../nn/index.ts'
import { sha256 } from '../platform/digest.ts'
import { readFileBytes } from '../platform/files.ts'
import { type FileContent, listFolders, pathIn, removeFolder, writeFolderAtomic } from '../platform/folders.ts'
import type { Variable } from '../tensor/index.ts'
import { bytesOf, type CompanionFiles, modelContents, modelFile } from './model-files.ts'
import { byName, checkFinite } from './tensor-map.ts'

/** All of a run that is no tensor. Randomness has no state of its own: batches depend on their index. */
export interface Progress {
  /** Updates done. */
  readonly step: number
  /** Batches used up; the next update starts with this index. */
  readonly batches: number
  /** The lowest validation loss so far. */
  readonly best: { readonly step: number; readonly loss: number } | null
  /** Validations since a gain that early stopping counts, and the loss it is measured from. */
  readonly waiting: { readonly validations: number; readonly loss: number } | null
}

/** A complete checkpoint, read and verified. */
export interface Checkpoint {
  readonly path: string
  readonly progress: Progress
  readonly fingerprint: string | null
  readonly model: ReadonlyMap<string, HostTensor>
  readonly training: ReadonlyMap<string, HostTensor>
}

export interface CheckpointContents {
  readonly module: Module
  /** State of the optimizer and of the weight average. */
  readonly state: readonly Variable[]
  readonly progress: Progress
  readonly fingerprint: string | null
  readonly files: CompanionFiles
}

const trainingFile = 'training.safetensors'
const recordFile = 'training.json'
const formatVersion = 1

const lossRecord = v.pipe(v.number(), v.finite())

const recordSchema = v.object({
  format: v.literal('nextx checkpoint'),
  version: v.literal(formatVersion),
  progress: v.object({
    step: wholeNumber(0),
    batches: wholeNumber(0),
    best: v.nullable(v.object({ step: wholeNumber(0), loss: lossRecord })),
    waiting: v.nullable(v.object({ validations: wholeNumber(0), loss: lossRecord })),
  }),
  fingerprint: v.nullable(v.string()),
  files: v.record(v.string(), v.object({ bytes: wholeNumber(0), sha256: v.string() })),
})

type TrainingRecord = v.InferOutput<typeof recordSchema>

/**
 * Writes the checkpoint `step-<n>` into `folder`: weights, training state, progress, and the companion files, as one atomic change.
 * Returns its path.
 * @throws NonFiniteError rather than keep broken weights; DataError when it cannot be written
 */
export async function writeCheckpoint(folder: string, contents: CheckpointContents): Promise<string> {
  const { progress, fingerprint } = contents
  const path = pathIn(folder, `step-${progress.step}`)
  const model = await readVariables(namedVariables(contents.module))
  const training = await readVariables(byName(contents.state))
  checkFinite(model, `checkpoint of step ${progress.step}`)
  const files = modelContents(model, contents.files)
  files.set(trainingFile, safetensorsPieces(training))
  const digests = Object.fromEntries([...files].map(([name, content]) => [name, digestOf(content)]))
  const record: TrainingRecord = { format: 'nextx checkpoint', version: formatVersion, progress, fingerprint, files: digests }
  await writeFolderAtomic(path, files.set(recordFile, `${JSON.stringify(record, null, 2)}\n`))
  return path
}

/** Steps that `folder` has checkpoints of, complete or not, oldest first. */
export async function checkpointSteps(folder: string): Promise<number[]> {
  const names = await listFolders(folder)
  return names.flatMap((name) => /^step-(0|[1-9]\d{0,14})$/.exec(name)?.slice(1).map(Number) ?? []).sort((a, b) => a - b)
}

export interface LatestCheckpoint {
  readonly checkpoint: Checkpoint | undefined
  /** Newer checkpoints that cannot be used, and why. */
  readonly damaged: readonly { readonly path: string; readonly problem: string }[]
}

/**
 * The newest checkpoint of `folder` whose files are all there and have the recorded checksums.
 * @throws DataError when there are checkpoints, but none is complete: starting over would overwrite them
 */
export async function latestCheckpoint(folder: string): Promise<LatestCheckpoint> {
  const damaged: { path: string; problem: string }[] = []
  for (const step of (await checkpointSteps(folder)).toReversed()) {
    const path = pathIn(folder, `step-${step}`)
    try {
      return { checkpoint: await readCheckpoint(path), damaged }
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof DataError)) throw error
      damaged.push({ path, problem: error.message })
    }
  }
  if (damaged.length === 0) return { checkpoint: undefined, damaged }
  throw new DataError(`no checkpoint in '${folder}' is complete: ${damaged.map(({ problem }) => problem).join('; ')}`, {
    fix: 'remove them, or use another folder',
  })
}

/**
 * Reads one checkpoint.
 * @throws DataError or FormatError when it is incomplete or damaged
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { progress, fingerprint, files } = parseRecord(await readFileBytes(pathIn(path, recordFile)), path)
  const contents = new Map<string, Uint8Array>()
  for (const [name, expected] of Object.entries(files)) contents.set(name, await readVerified(path, name, expected))
  const tensorsOf = (name: string) => {
    const bytes = contents.get(name)
    if (bytes === undefined) throw new FormatError(`checkpoint '${path}' has no ${name}`)
    return readSafetensors(bytes).tensors
  }
  return { path, progress, fingerprint, model: tensorsOf(modelFile), training: tensorsOf(trainingFile) }
}

/**
 * Gives a module and the training state the values of a checkpoint. Nothing changes unless all fit.
 * @throws MismatchError listing what does not fit
 */
export async function restoreCheckpoint(checkpoint: Checkpoint, module: Module, state: readonly Variable[]): Promise<void> {
  const [weights, training] = [namedVariables(module), byName(state)]
  checkFit(weights, checkpoint.model, `the model of '${checkpoint.path}'`)
  checkFit(training, checkpoint.training, `the training state of '${checkpoint.path}'`)
  await writeVariables(weights, checkpoint.model)
  await writeVariables(training, checkpoint.training)
}

/** Removes all but the last `keep` of the checkpoints up to `step`. */
export async function pruneCheckpoints(folder: string, step: number, keep: number): Promise<void> {
  const steps = (await checkpointSteps(folder)).filter((other) => other <= step)
  for (const old of steps.slice(0, -keep)) await removeFolder(pathIn(folder, `step-${old}`))
}

function parseRecord(bytes: Uint8Array, path: string): TrainingRecord {
  const what = `${recordFile} of '${path}'`
  const { success, output, issues } = v.safeParse(recordSchema, parseJson(bytes, { what }))
  if (success) return output
  throw new FormatError(`${what}: ${v.getDotPath(issues[0]) ?? ''}: ${issues[0].message}`)
}

async function readVerified(folder: string, name: string, expected: { bytes: number; sha256: string }): Promise<Uint8Array> {
  if (/[/\\]/.test(name)) throw new FormatError(`${recordFile} of '${folder}' names the file ${JSON.stringify(name)}`)
  const bytes = await readFileBytes(pathIn(folder, name), { maxBytes: expected.bytes })
  if (bytes.length === expected.bytes && sha256([bytes]) === expected.sha256) return bytes
  throw new FormatError(`${name} of checkpoint '${folder}' is not what was written`, { expected: `SHA-256 ${expected.sha256}` })
}

function digestOf(content: FileContent): { bytes: number; sha256: string } {
  const pieces = typeof content === 'string' || content instanceof Uint8Array ? [bytesOf(content)] : content
  return { bytes: pieces.reduce((total, piece) => total + piece.length, 0), sha256: sha256(pieces) }
}
