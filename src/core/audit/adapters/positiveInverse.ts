import { GraphBuilder } from '../../engine/graph.ts';
import { createSession } from '../../engine/session.ts';
import { transposed } from '../procrustes.ts';

/** Up to this size a plain loop is faster than splitting. */
const LEAF = 64;

/** Products of row-major double matrices. */
export interface Products {
  multiply(a: Float64Array, b: Float64Array, rows: number, inner: number, columns: number): Promise<Float64Array>;
  release(): Promise<void>;
}

export async function createProducts(options: { threads: number | null }): Promise<Products> {
  const graph = new GraphBuilder('product');
  const a = graph.input('a', 'float64', ['rows', 'inner']);
  const b = graph.input('b', 'float64', ['inner', 'columns']);
  graph.output('product', graph.node('MatMul', [a, b]), 'float64', ['rows', 'columns']);
  const session = await createSession(graph.build(), options);
  return {
    async multiply(left, right, rows, inner, columns) {
      const { product } = await session.run({
        a: { shape: [rows, inner], data: left },
        b: { shape: [inner, columns], data: right },
      });
      return product?.data as Float64Array;
    },
    release: () => session.release(),
  };
}

/**
 * Inverse of a symmetric positive definite matrix by halves, so that nearly all of the work is products:
 * with [[A, B'], [B, D]], P = A^-1 and S = D - B P B' (Schur complement),
 * the inverse is [[P + P B' S^-1 B P, .'], [-S^-1 B P, S^-1]].
 * @param matrix row-major, size x size; its condition decides the error, so let a ridge bound it
 */
export async function positiveInverse(matrix: Float64Array, size: number, products: Products): Promise<Float64Array> {
  if (size <= LEAF) return smallInverse(matrix, size);
  const upper = size >> 1;
  const lower = size - upper;
  const inverseUpper = await positiveInverse(block(matrix, size, 0, upper, 0, upper), upper, products);
  const across = await products.multiply(block(matrix, size, upper, size, 0, upper), inverseUpper, lower, upper, upper);
  const folded = await products.multiply(across, block(matrix, size, 0, upper, upper, size), lower, upper, lower);
  const schur = block(matrix, size, upper, size, upper, size);
  for (let k = 0; k < schur.length; k++) schur[k] = (schur[k] as number) - (folded[k] as number);
  const inverseLower = await positiveInverse(schur, lower, products);
  const corner = await products.multiply(inverseLower, across, lower, lower, upper);
  const added = await products.multiply(transposed(across, lower, upper), corner, upper, lower, upper);
  const inverse = new Float64Array(size * size);
  for (let i = 0; i < upper; i++) {
    for (let k = 0; k < upper; k++) {
      inverse[i * size + k] = (inverseUpper[i * upper + k] as number) + (added[i * upper + k] as number);
    }
  }
  for (let i = 0; i < lower; i++) {
    for (let k = 0; k < upper; k++) {
      const value = -(corner[i * upper + k] as number);
      inverse[(upper + i) * size + k] = value;
      inverse[k * size + upper + i] = value;
    }
    inverse.set(inverseLower.subarray(i * lower, (i + 1) * lower), (upper + i) * size + upper);
  }
  return inverse;
}

function block(matrix: Float64Array, size: number, top: number, bottom: number, left: number, right: number) {
  const width = right - left;
  const result = new Float64Array((bottom - top) * width);
  for (let row = top; row < bottom; row++) {
    result.set(matrix.subarray(row * size + left, row * size + right), (row - top) * width);
  }
  return result;
}

/** By the Cholesky factor L: column k of the inverse solves L L' x = e_k. */
function smallInverse(matrix: Float64Array, size: number): Float64Array {
  const factor = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j] as number;
      for (let k = 0; k < j; k++) sum -= (factor[i * size + k] as number) * (factor[j * size + k] as number);
      factor[i * size + j] = i === j ? Math.sqrt(sum) : sum / (factor[j * size + j] as number);
    }
  }
  const inverse = new Float64Array(size * size);
  const column = new Float64Array(size);
  for (let k = 0; k < size; k++) {
    for (let i = 0; i < size; i++) {
      let sum = i === k ? 1 : 0;
      for (let j = k; j < i; j++) sum -= (factor[i * size + j] as number) * (column[j] as number);
      column[i] = i < k ? 0 : sum / (factor[i * size + i] as number);
    }
    for (let i = size - 1; i >= 0; i--) {
      let sum = column[i] as number;
      for (let j = i + 1; j < size; j++) sum -= (factor[j * size + i] as number) * (column[j] as number);
      column[i] = sum / (factor[i * size + i] as number);
      inverse[i * size + k] = column[i] as number;
    }
  }
  return inverse;
}
