# Meta-regression: seven estimators, normal and Knapp-Hartung tests, predictions, diagnostics, exact permutation.

block <- function(yi, vi, X, method, test) {
  fit <- if (method == "EE") {
    suppressWarnings(rma(yi, vi, mods = X, method = method, test = test)) # Knapp-Hartung of a common effect
  } else {
    searched(yi, vi, mods = X, method = method, test = test)
  }
  at_mean <- predict(fit, newmods = colMeans(X))
  prediction <- take(at_mean, c(
    pred = "pred", se = "se", ci_lb = "ci.lb", ci_ub = "ci.ub", if (method != "EE") c(pi_lb = "pi.lb", pi_ub = "pi.ub")
  ))
  list(fit = fit, numbers = c(
    take(fit, c(beta = "beta", se = "se", pval = "pval", ci_lb = "ci.lb", ci_ub = "ci.ub", QM = "QM", QMp = "QMp")),
    list(ddf = if (test == "z") NULL else fit$ddf, predict_at_mean_x = prediction)
  ))
}

estimator <- function(yi, vi, X, method) {
  z <- block(yi, vi, X, method, "z")
  knha <- block(yi, vi, X, method, "knha")
  names <- c(tau2 = "tau2", I2 = "I2", H2 = "H2", R2 = "R2", QE = "QE", QEp = "QEp")
  c(
    take(z$fit, if (method == "EE") names else c(names, se_tau2 = "se.tau2")),
    list(z = z$numbers, knha = knha$numbers)
  )
}

model <- function(data, given) {
  X <- t(given$X)
  colnames(X) <- paste0("x", seq_len(ncol(X)))
  reml <- searched(data$yi, data$vi, mods = X, method = "REML")
  profile <- confint(reml, control = list(tol = 1e-14, maxiter = 20000, tau2.max = 1e4 * (max(data$vi) + var(data$yi))))
  list(
    fits = lapply(named(names(given$fits)), function(method) estimator(data$yi, data$vi, X, method)),
    hat_REML = as.numeric(hatvalues(reml)),
    vif_REML = if (ncol(X) > 1) as.numeric(vif(reml)$vifs) else NULL,
    q_profile_REML = as.numeric(profile$random["tau^2", c("ci.lb", "ci.ub")])
  )
}

exact <- function(given, datasets) {
  data <- datasets[[given$dataset]]
  X <- t(data$models[[given$model]]$X)
  fit <- rma(data$yi, data$vi, mods = X, method = given$tau2, control = tight)
  found <- permutest(fit, exact = TRUE, progbar = FALSE)
  list(pval = c(found$pval), QMp = c(found$QMp))
}

remake <- function(reference, load) {
  list(
    datasets = lapply(reference$datasets, function(data) {
      list(models = lapply(data$models, function(given) model(data, given)))
    }),
    permutation = lapply(reference$permutation, exact, reference$datasets)
  )
}
