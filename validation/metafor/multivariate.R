# Two outcomes of five trials with known sampling covariances, under five structures of the true effects.

# key: <structure>_<method>_outcome[_x_year].
outcomes_fit <- function(data, key) {
  part <- regmatches(key, regexec("^([A-Z]+)_(REML|ML)_outcome(_x_year)?$", key))[[1]]
  frame <- data.frame(yi = data$yi, trial = data$trial, outcome = data$outcome, year = data$year - 1983)
  fitted <- function(...) {
    rma.mv(
      yi, data$V, mods = if (part[4] == "") ~ outcome - 1 else ~ outcome + outcome:year - 1,
      random = ~ outcome | trial, struct = part[2], data = frame, method = part[3], sparse = FALSE, ...
    )
  }
  start <- fitted()
  found <- optimum(
    frame$yi, data$V, start$X, components(frame, part[2]),
    c(start$tau2, if (correlated(part[2])) start$rho * sqrt(prod(rep_len(start$tau2, 2)))), part[3]
  )
  tau2 <- found[seq_along(start$tau2)]
  if (!correlated(part[2])) return(fitted(tau2 = tau2))
  fitted(tau2 = tau2, rho = found[length(found)] / sqrt(prod(rep_len(tau2, 2))))
}

correlated <- function(structure) structure %in% c("UN", "CS", "HCS")

# Every structure is linear in its variances and its covariance.
components <- function(frame, structure) {
  within <- 1 * outer(frame$trial, frame$trial, "==")
  of <- function(outcome) within * outer(frame$outcome == outcome, frame$outcome == outcome)
  AL <- of("AL")
  PD <- of("PD")
  c(
    if (structure %in% c("CS", "ID")) list(AL + PD) else list(AL, PD),
    if (correlated(structure)) list(within - AL - PD)
  )
}

remake <- function(reference, load) {
  data <- reference$berkey1998
  list(berkey1998 = list(fits = lapply(named(names(data$fits)), function(key) {
    fit <- outcomes_fit(data, key)
    numbers <- take(fit, c(beta = "beta", se = "se", pval = "pval", tau2 = "tau2", rho = "rho", QE = "QE", QM = "QM"))
    c(numbers, list(logLik = as.numeric(logLik(fit))))
  })))
}
