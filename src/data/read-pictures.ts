import * as v from 'valibot'
import { DataError, FormatError, OptionError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { type LabelledPictures, type Pictures, pictureLength } from '../base/pictures.ts'
import { decodePicture } from '../formats/picture-file.ts'
import { exists, listFiles, readFileBytes } from '../platform/files.ts'
import { listFolders, pathIn } from '../platform/folders.ts'
import { conformPictures, type PictureResize, type PictureSides, sidesSchema } from './conform-pictures.ts'
import { readIdxPictures } from './idx-pictures.ts'

interface PictureOptions {
  /** Size of all pictures. Default: that of the first, or of those in the idx file. */
  readonly size?: PictureSides
  /** What happens to pictures of another size. Default 'refuse'. */
  readonly resize?: PictureResize
  /** Channels to convert to. Default: as they are, which must then be the same for all. */
  readonly channels?: 1 | 3
  /** Grey value from 0 to 255 under transparent pixels and beside contained pictures. Default 255, white. */
  readonly background?: number
  /** Most bytes of a file, and of all pictures together. Default 2^31. */
  readonly maxBytes?: number
  /** Most pixels of one PNG or JPEG file. Default 2^26. */
  readonly maxPixels?: number
}

export type ReadPicturesOptions =
  | (PictureOptions & {
      /**
       * A folder of PNG and JPEG files: in subfolders named like the classes, or all in the folder itself, then without classes. Or a folder
       * of the idx files of MNIST and its like: train-images-idx3-ubyte, t10k-labels-idx1-ubyte and so on, each also with .gz.
       */
      readonly folder: string
      /** Which of the idx files. Default 'train'. */
      readonly part?: 'train' | 'test'
    })
  | (PictureOptions & {
      /** Names, folders or glob patterns of PNG and JPEG files, without classes; or an idx file of pictures, alone or with its labels. */
      readonly files: string | readonly string[]
    })

const name = v.pipe(v.string(), v.minLength(1))
const common = {
  size: v.optional(sidesSchema),
  resize: v.optional(v.picklist(['refuse', 'stretch', 'contain', 'cover'])),
  channels: v.optional(v.picklist([1, 3])),
  background: v.optional(wholeNumber(0, 255)),
  maxBytes: v.optional(wholeNumber(1)),
  maxPixels: v.optional(wholeNumber(1)),
}
const schemas = {
  folder: v.strictObject({ ...common, folder: name, part: v.optional(v.picklist(['train', 'test'])) }),
  files: v.strictObject({ ...common, files: v.union([name, v.pipe(v.array(name), v.minLength(1))]) }),
}
const mostBytes = 2 ** 31
const pictureName = /\.(png|jpe?g)$/i
const idxName = /[-.]idx\d(-ubyte)?(\.gz)?$/i

/**
 * Reads pictures into memory. Classes are in the order of their names, pictures in the order of their paths; files of other names are passed
 * over. Without classes all labels are 0, which then means "no class".
 *
 * Throws OptionError on options that are unknown or do not fit together, FormatError on a file that is no picture, and DataError when there
 * is no picture, when sizes or channels differ and nothing was said about them, or when a file cannot be read; each names the file.
 * @example
 * const icons = await readPictures({ folder: 'icons', size: { height: 32, width: 32 }, resize: 'contain', channels: 3 })
 */
export async function readPictures(options: ReadPicturesOptions): Promise<LabelledPictures> {
  checkOptions(schemas['files' in Object(options) ? 'files' : 'folder'], options, 'readPictures')
  if (options.size === undefined && options.resize !== undefined && options.resize !== 'refuse')
    throw new OptionError(`readPictures: resize '${options.resize}' without a size`, { fix: 'name the size' })
  const idx = 'files' in options ? await idxAmong(options.files) : await idxInside(options.folder, options.part)
  if (idx) return readIdx(idx, options)
  if ('part' in options && options.part !== undefined)
    throw new DataError(`'${options.folder}' has no idx files for the part '${options.part}'`, { fix: 'leave `part` out' })
  return 'files' in options ? readFiles(await labelled(options.files), [], options) : readFolder(options)
}

interface IdxPair {
  readonly images: string
  readonly labels?: string
}

async function idxInside(folder: string, part: 'train' | 'test' | undefined): Promise<IdxPair | undefined> {
  const prefix = part === 'test' ? 't10k' : 'train'
  const images = await existing(folder, `${prefix}-images-idx3-ubyte`)
  const labels = await existing(folder, `${prefix}-labels-idx1-ubyte`)
  if (images === undefined) return undefined
  return { images, ...(labels === undefined ? {} : { labels }) }
}

async function existing(folder: string, file: string): Promise<string | undefined> {
  for (const path of [pathIn(folder, file), pathIn(folder, `${file}.gz`)]) if (await exists(path)) return path
  return undefined
}

async function idxAmong(files: string | readonly string[]): Promise<IdxPair | undefined> {
  const names = typeof files === 'string' ? [files] : files
  const idx = names.filter((path) => idxName.test(path))
  if (idx.length === 0) return undefined
  const labels = idx.filter((path) => /idx1(-ubyte)?(\.gz)?$/i.test(path))
  const images = idx.filter((path) => !labels.includes(path))
  if (images.length !== 1 || labels.length > 1 || idx.length < names.length)
    throw new OptionError(`readPictures: the files ${names.join(', ')}`, {
      expected: 'one idx file of pictures, alone or with one of labels, or PNG and JPEG files',
    })
  return { images: images[0]!, ...(labels[0] === undefined ? {} : { labels: labels[0] }) }
}

async function readIdx(pair: IdxPair, options: ReadPicturesOptions): Promise<LabelledPictures> {
  const read = await readIdxPictures({ ...pair, maxBytes: options.maxBytes ?? mostBytes })
  return { ...read, ...conformed(read, options, read, pair.images) }
}

function conformed(pictures: Pictures, options: ReadPicturesOptions, first: PictureSides, what: string): Pictures {
  const { size = first, resize = 'refuse', channels, background = 255 } = options
  return conformPictures(pictures, { size, resize, channels, background }, `'${what}'`)
}

interface LabelledFile {
  readonly path: string
  readonly label: number
}

async function labelled(files: string | readonly string[], label = 0): Promise<LabelledFile[]> {
  const paths = await listFiles(typeof files === 'string' ? [files] : files)
  return paths.filter((path) => pictureName.test(path)).map((path) => ({ path, label }))
}

async function readFolder(options: ReadPicturesOptions & { readonly folder: string }): Promise<LabelledPictures> {
  const { folder } = options
  const classes = (await listFolders(folder)).filter((inner) => !inner.startsWith('.')).sort()
  const all = await labelled(folder)
  if (classes.length === 0) return readFiles(all, [], options)
  const perClass = await Promise.all(classes.map((inner, label) => labelled(pathIn(folder, inner), label)))
  const empty = classes.find((_, label) => perClass[label]!.length === 0)
  if (empty !== undefined)
    throw new DataError(`'${pathIn(folder, empty)}' has no picture`, { expected: 'at least one PNG or JPEG file in each class' })
  const files = perClass.flat()
  const known = new Set(files.map(({ path }) => path))
  const stray = all.find(({ path }) => !known.has(path))
  if (stray !== undefined)
    throw new DataError(`'${stray.path}' lies beside the folders of the classes`, { fix: 'move it into the folder of its class' })
  return readFiles(files, classes, options)
}

async function readFiles(
  files: readonly LabelledFile[],
  classes: readonly string[],
  options: ReadPicturesOptions,
): Promise<LabelledPictures> {
  const { maxBytes = mostBytes } = options
  const [head] = files
  if (head === undefined) throw new DataError('there is no picture to read', { expected: 'at least one PNG or JPEG file' })
  let first: Pictures | undefined
  let pixels = new Uint8Array(0)
  for (const [index, { path }] of files.entries()) {
    const decoded = await decodeFile(path, options)
    const picture = conformed(decoded, options, first ?? decoded, path)
    if (first === undefined) {
      first = picture
      pixels = new Uint8Array(checkTotal(files.length * pictureLength(picture), maxBytes))
    }
    if (picture.channels !== first.channels)
      throw new DataError(`'${path}' has ${picture.channels} channels`, {
        expected: `${first.channels}, like '${head.path}'`,
        fix: 'name the channels that all are converted to',
      })
    pixels.set(picture.pixels, index * pictureLength(picture))
  }
  return { ...first!, count: files.length, pixels, labels: Int32Array.from(files, ({ label }) => label), classes }
}

function checkTotal(bytes: number, maxBytes: number): number {
  if (bytes <= maxBytes) return bytes
  throw new DataError(`the pictures need ${bytes} bytes`, { expected: `at most ${maxBytes}`, fix: 'read fewer or smaller ones' })
}

async function decodeFile(
  path: string,
  { background = 255, maxPixels, maxBytes = mostBytes }: ReadPicturesOptions,
): Promise<Pictures> {
  const bytes = await readFileBytes(path, { maxBytes })
  try {
    return await decodePicture(bytes, { background, limits: maxPixels === undefined ? {} : { maxPixels } })
  } catch (cause) {
    if (cause instanceof FormatError) throw new FormatError(`cannot read '${path}': ${cause.message}`, { cause })
    throw cause
  }
}
