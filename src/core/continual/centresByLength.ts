import type { ClassMeans } from '../training/objectives/coherence.ts';
import { type GallerySession, storedCentres } from './classCentres.ts';

/**
 * E_c where galleries may be of several lengths (an embedding that gained components): the centre of a class is that of its
 * vectors in the components that all galleries with it have, cut to them and normalised again. With galleries of one length these
 * are the centres of `storedCentres`.
 * @param classes labels are 0 ... classes - 1
 * @returns one entry a length, shortest first; a class is known in one of them
 */
export function centresByLength(
  galleries: readonly GallerySession[],
  classes: number,
  form: 'sessions' | 'items',
): ClassMeans[] {
  const lengthOf = new Int32Array(classes);
  for (const { labelOf, dimension } of galleries) {
    for (const label of labelOf) {
      const known = lengthOf[label] as number;
      lengthOf[label] = known === 0 ? dimension : Math.min(known, dimension);
    }
  }
  const lengths = [...new Set(lengthOf)].filter((length) => length > 0).sort((a, b) => a - b);
  return lengths.map((length) => {
    const parts = galleries
      .filter(({ dimension }) => dimension >= length)
      .map((gallery) => cutTo(gallery, length, (label) => lengthOf[label] === length));
    return storedCentres(parts, classes, length, form);
  });
}

/** The gallery's items of some classes, in its first components, at unit length there. */
function cutTo(gallery: GallerySession, length: number, isIn: (label: number) => boolean): GallerySession {
  const rows = Int32Array.from(gallery.labelOf.keys()).filter((row) => isIn(gallery.labelOf[row] as number));
  const vectors = new Float32Array(rows.length * length);
  rows.forEach((row, place) => {
    const start = row * gallery.dimension;
    const own = gallery.vectors.subarray(start, start + length);
    // At full length it has that length already: the same numbers.
    const norm = length === gallery.dimension ? 1 : Math.hypot(...own) || 1;
    for (let k = 0; k < length; k++) vectors[place * length + k] = (own[k] as number) / norm;
  });
  return {
    items: rows.map((row) => gallery.items[row] as number),
    labelOf: rows.map((row) => gallery.labelOf[row] as number),
    vectors,
    dimension: length,
  };
}
