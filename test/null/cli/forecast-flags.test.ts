import { expect, test } from 'vitest'
import { covariates, pageFile, pictureFile } from '../../../src/cli/forecast-flags.ts'

test('covariates are named with how far they are known', () => {
  expect(covariates('price:future')).toEqual({ future: ['price'] })
  expect(covariates('price:future,visits:past,region:static,tax:future')).toEqual({
    future: ['price', 'tax'],
    past: ['visits'],
    static: ['region'],
  })
  expect(covariates('visits:past', { past: ['a'], future: ['b'] })).toEqual({ past: ['a', 'visits'], future: ['b'] })
  // Names may hold what stands between names.
  expect(covariates('price, net:future,a:b:past')).toEqual({ future: ['price, net'], past: ['a:b'] })
})

test.each(['price', 'price:', ':future', 'price:soon', 'price:future,', 'price:future,visits', ''])('%j is refused', (text) => {
  expect(() => covariates(text)).toThrow('name:past, name:future or name:static')
})

test('names of files say what is drawn', () => {
  expect(['a.svg', 'b/c.PNG'].map(pictureFile)).toEqual(['a.svg', 'b/c.PNG'])
  for (const path of ['a.gif', 'png', 'a.svg.gz', '']) expect(() => pictureFile(path)).toThrow('.svg or .png')
  expect(['a.html', 'a.htm'].map(pageFile)).toEqual(['a.html', 'a.htm'])
  expect(() => pageFile('a.pdf')).toThrow('.html')
})
