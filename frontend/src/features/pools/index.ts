export { PoolPage } from './PoolPage'
