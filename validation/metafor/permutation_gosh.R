# Exact permutation tests of the pooled effect; fits of every subset of one data set.

exact_test <- function(data, key) {
  part <- strsplit(key, "_")[[1]]
  fit <- rma(data$yi, data$vi, method = part[1], test = part[2], control = tight)
  found <- permutest(fit, exact = TRUE, progbar = FALSE)
  list(pval = c(found$pval), permutations = 2^length(data$yi))
}

subsets <- function(data) {
  fit <- rma(data$yi, data$vi, method = "REML", control = list(threshold = 1e-11, maxiter = 20000))
  found <- gosh(fit, progbar = FALSE)
  mask <- c(found$incl %*% 2^(seq_along(data$yi) - 1))
  rows <- order(mask)
  result <- found$res[rows, ]
  list(
    mask = mask[rows], k = result$k, mu = result$estimate, tau2 = result$tau2, I2 = result$I2, QE = result$QE
  )
}

remake <- function(reference, load) {
  tests <- reference$permutest_exact
  list(
    permutest_exact = lapply(tests, function(data) {
      list(permutest_exact = lapply(named(names(data$permutest_exact)), function(key) exact_test(data, key)))
    }),
    gosh = subsets(tests[[reference$gosh$dataset]])
  )
}
